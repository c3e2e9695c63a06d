// SPDX-License-Identifier: Apache-2.0
#include "transport/event_codec.h"

#include <cstring>

#include "transport/fanotify_abi.h"

namespace ondemand::transport {

namespace {

// A field in host byte order at any alignment.  Range: offset + sizeof(T) <= bytes.size().
template <class T>
T field(util::Bytes bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// Walks the information records of one event.  False when one of them is malformed.
bool decode_records(util::Bytes records, Event& event) {
  while (!records.empty()) {
    if (records.size() < abi::kInfoHeaderBytes) return false;
    const auto type = field<std::uint8_t>(records, 0);
    const auto len = field<std::uint16_t>(records, 2);
    if (len < abi::kInfoHeaderBytes || len > records.size()) return false;
    if (type == abi::kInfoRange) {
      if (len < abi::kRangeRecordBytes) return false;
      event.has_range = true;
      event.range = {field<std::uint64_t>(records, 8), field<std::uint64_t>(records, 16)};
    }
    records = records.subspan(len);
  }
  return true;
}

}  // namespace

bool EventDecoder::next(Event& event) noexcept {
  while (!bytes_.empty())
    if (take(event)) return true;
  return false;
}

// True when there was an event to be answered.
bool EventDecoder::take(Event& event) noexcept {
  event = {};
  const util::Bytes bytes = bytes_;
  const auto event_len =
      bytes.size() < abi::kMetadataBytes ? std::uint32_t{0} : field<std::uint32_t>(bytes, 0);
  if (event_len < abi::kMetadataBytes || event_len > bytes.size()) {
    ++malformed_;
    bytes_ = {};
    return false;
  }
  bytes_ = bytes.subspan(event_len);
  const auto metadata_len = field<std::uint16_t>(bytes, 6);
  event.mask = field<std::uint64_t>(bytes, 8);
  event.fd = field<std::int32_t>(bytes, 16);
  event.pid = field<std::int32_t>(bytes, 20);
  const bool is_known = field<std::uint8_t>(bytes, 4) == abi::kMetadataVersion &&
                        metadata_len >= abi::kMetadataBytes && metadata_len <= event_len;
  if (!is_known || !decode_records(bytes.subspan(metadata_len, event_len - metadata_len), event))
    ++malformed_;
  if ((event.mask & abi::kQueueOverflow) != 0) {
    ++overflows_;
    return false;
  }
  return event.fd >= 0;
}

DecodedEvents decode_events(util::Bytes bytes) {
  DecodedEvents out;
  EventDecoder decoder(bytes);
  for (Event event; decoder.next(event);)
    out.events.push_back(event);
  out.malformed = decoder.malformed();
  out.overflows = decoder.overflows();
  return out;
}

}  // namespace ondemand::transport
