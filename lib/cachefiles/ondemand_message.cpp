// SPDX-License-Identifier: Apache-2.0
#include "cachefiles/ondemand_message.h"

#include <unistd.h>

#include <climits>
#include <cstring>

#include "cachefiles/abi.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::cachefiles {

using util::Error;
using util::ErrorCode;

namespace {

constexpr std::string_view kName = "cachefiles message";

[[noreturn]] void fail(std::string_view reason) {
  throw Error(ErrorCode::kCorrupt, util::concat(kName, ": decode: ", reason));
}

template <class T>
T front_of(util::Bytes bytes) {
  T front;
  if (bytes.size() < sizeof front) fail(util::concat("only ", bytes.size(), " bytes"));
  std::memcpy(&front, bytes.data(), sizeof front);
  return front;
}

void decode_open(util::Bytes payload, OndemandMessage& message) {
  const auto open = front_of<abi::OpenPayload>(payload);
  const util::Bytes keys = payload.subspan(sizeof open);
  // Each alone first: the sum of two 32-bit numbers from outside may wrap.
  if (open.volume_key_size < 2 || open.volume_key_size > abi::kMaxKeyBytes + 1 ||
      open.cookie_key_size < 1 || open.cookie_key_size > abi::kMaxKeyBytes ||
      std::size_t{open.volume_key_size} + open.cookie_key_size > keys.size()) {
    fail(util::concat("keys of ", open.volume_key_size, " and ", open.cookie_key_size, " bytes in ",
                      keys.size()));
  }
  // The standard ones are ours, whatever a message says.
  if (open.fd <= STDERR_FILENO || open.fd > INT_MAX) fail("the descriptor is no number of one");
  const std::string_view volume = util::as_text(keys.first(open.volume_key_size));
  if (volume.find('\0') != volume.size() - 1) fail("the volume key does not end where it should");
  message.volume_key = volume.substr(0, volume.size() - 1);
  message.cookie_key = util::as_text(keys.subspan(open.volume_key_size, open.cookie_key_size));
  message.fd = static_cast<int>(open.fd);
}

template <class T>
void append(util::Buffer& bytes, const T& object) {
  const util::Bytes more = util::object_bytes(object);
  bytes.insert(bytes.end(), more.begin(), more.end());
}

}  // namespace

std::optional<OndemandHeader> ondemand_header(util::Bytes bytes) {
  abi::MessageHeader header{};
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  return OndemandHeader{header.msg_id, header.opcode, header.object_id};
}

std::optional<int> ondemand_descriptor(util::Bytes bytes) {
  const auto header = ondemand_header(bytes);
  abi::OpenPayload open{};
  if (!header || header->opcode != abi::kOpOpen ||
      bytes.size() < sizeof(abi::MessageHeader) + sizeof open)
    return std::nullopt;
  std::memcpy(&open, bytes.data() + sizeof(abi::MessageHeader), sizeof open);
  if (open.fd <= STDERR_FILENO || open.fd > INT_MAX) return std::nullopt;
  return static_cast<int>(open.fd);
}

OndemandMessage decode_ondemand_message(util::Bytes bytes) {
  const auto header = front_of<abi::MessageHeader>(bytes);
  if (header.len != bytes.size() || header.len > abi::kMaxMessageBytes)
    fail(util::concat("has ", bytes.size(), " bytes, says ", header.len));
  OndemandMessage message;
  message.header = {header.msg_id, header.opcode, header.object_id};
  const util::Bytes payload = bytes.subspan(sizeof header);
  switch (header.opcode) {
    case abi::kOpOpen:
      decode_open(payload, message);
      break;
    case abi::kOpRead: {
      const auto read = front_of<abi::ReadPayload>(payload);
      message.range = {read.off, read.len};
      break;
    }
    case abi::kOpClose:
      break;
    default:
      throw Error(ErrorCode::kUnsupported,
                  util::concat(kName, ": decode: opcode ", header.opcode, " is not known"));
  }
  return message;
}

util::Buffer encode_ondemand_message(const OndemandMessage& message) {
  util::Buffer bytes(sizeof(abi::MessageHeader));
  if (message.header.opcode == abi::kOpOpen) {
    if (message.volume_key.size() > abi::kMaxKeyBytes ||
        message.cookie_key.size() > abi::kMaxKeyBytes)
      throw Error(ErrorCode::kTooLarge, util::concat(kName, ": encode: a key is too long"));
    append(bytes, abi::OpenPayload{static_cast<std::uint32_t>(message.volume_key.size() + 1),
                                   static_cast<std::uint32_t>(message.cookie_key.size()),
                                   static_cast<std::uint32_t>(message.fd), 0});
    const std::string keys = util::concat(message.volume_key, '\0', message.cookie_key);
    bytes.insert(bytes.end(), keys.begin(), keys.end());
  } else if (message.header.opcode == abi::kOpRead) {
    append(bytes, abi::ReadPayload{message.range.offset, message.range.len});
  }
  const abi::MessageHeader header{message.header.message_id, message.header.opcode,
                                  static_cast<std::uint32_t>(bytes.size()),
                                  message.header.object_id};
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

}  // namespace ondemand::cachefiles
