// SPDX-License-Identifier: Apache-2.0
#include "cachefiles/demand_message.h"

#include <cstring>

#include "cachefiles/abi.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::cachefiles {

using util::Error;
using util::ErrorCode;

namespace {

constexpr std::string_view kName = "cachefiles demand message";

[[noreturn]] void fail(std::string_view reason) {
  throw Error(ErrorCode::kCorrupt, util::concat(kName, ": decode: ", reason));
}

template <class T>
T head_of(util::Bytes bytes) {
  T head;
  if (bytes.size() < sizeof head) fail(util::concat("only ", bytes.size(), " bytes"));
  std::memcpy(&head, bytes.data(), sizeof head);
  return head;
}

}  // namespace

DemandMessage decode_demand_message(util::Bytes bytes) {
  const auto head = head_of<abi::DemandMessage>(bytes);
  if (head.len != bytes.size() || head.len > abi::kMaxMessageBytes)
    fail(util::concat("has ", bytes.size(), " bytes, says ", head.len));
  const util::Bytes text = bytes.subspan(sizeof head);
  // Behind the NUL a later kernel may put more.
  if (head.path_len == 0 || head.path_len >= text.size())
    fail(util::concat("a path of ", head.path_len, " bytes in ", text.size()));
  const std::string_view path = util::as_text(text.first(head.path_len));
  if (text[head.path_len] != 0 || path.find('\0') != std::string_view::npos)
    fail("the path does not end where it should");
  return {head.id,          head.op,           {head.off, head.count},
          head.object_size, std::string(path), (head.flags & abi::kDemandFlagAgain) != 0};
}

std::optional<std::uint64_t> demand_message_id(util::Bytes bytes) {
  constexpr std::size_t kAt = offsetof(abi::DemandMessage, id);
  std::uint64_t id = 0;
  if (bytes.size() < kAt + sizeof id) return std::nullopt;
  std::memcpy(&id, bytes.data() + kAt, sizeof id);
  return id;
}

util::Buffer encode_demand_message(const DemandMessage& message) {
  abi::DemandMessage head{};
  const std::size_t len =
      util::round_up<std::size_t>(sizeof head + message.path.size() + 1, sizeof head.id);
  if (len > abi::kMaxMessageBytes)
    throw Error(ErrorCode::kTooLarge, util::concat(kName, ": encode: ", len, " bytes"));
  head.len = static_cast<std::uint32_t>(len);
  head.op = message.op;
  head.id = message.id;
  head.off = message.range.offset;
  head.count = message.range.len;
  head.object_size = message.object_size;
  head.path_len = static_cast<std::uint32_t>(message.path.size());
  head.flags = message.is_repeated ? abi::kDemandFlagAgain : 0;
  util::Buffer bytes(len);
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, message.path.data(), message.path.size());
  return bytes;
}

CompatMessage decode_compat_message(util::Bytes bytes) {
  const auto head = head_of<abi::CompatMessage>(bytes);
  if (bytes.size() != sizeof head) fail(util::concat(bytes.size(), " bytes of the old form"));
  const auto* end = static_cast<const char*>(std::memchr(head.path, 0, sizeof head.path));
  if (end == nullptr || end == head.path) fail("the name is empty or does not end");
  return {head.id, {head.off, head.len}, std::string(head.path, end)};
}

util::Buffer encode_compat_message(const CompatMessage& message) {
  abi::CompatMessage head{};
  if (message.name.size() >= sizeof head.path)
    throw Error(ErrorCode::kTooLarge,
                util::concat(kName, ": encode: a name of ", message.name.size(), " bytes"));
  head.id = message.id;
  head.off = message.range.offset;
  head.len = message.range.len;
  std::memcpy(head.path, message.name.data(), message.name.size());
  const util::Bytes bytes = util::object_bytes(head);
  return {bytes.begin(), bytes.end()};
}

}  // namespace ondemand::cachefiles
