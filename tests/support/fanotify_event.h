// SPDX-License-Identifier: Apache-2.0
//
// Events as a fanotify group's read() gives them, made by hand.
#pragma once

#include <cstdint>
#include <cstring>

#include "util/bytes.h"

namespace ondemand::test {

template <class T>
void append_number(util::Buffer& out, T value) {
  const util::Bytes bytes = util::object_bytes(value);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// fanotify_event_metadata; `tail` bytes of records follow.
inline void append_metadata(util::Buffer& out, std::uint32_t event_len, std::uint64_t mask,
                            std::int32_t fd, std::uint8_t version = 3,
                            std::uint16_t metadata_len = 24) {
  append_number(out, event_len);
  append_number(out, version);
  append_number(out, std::uint8_t{0});
  append_number(out, metadata_len);
  append_number(out, mask);
  append_number(out, fd);
  append_number(out, std::int32_t{4711});
}

inline void append_range(util::Buffer& out, std::uint64_t offset, std::uint64_t count,
                         std::uint16_t len = 24) {
  append_number(out, std::uint8_t{6});
  append_number(out, std::uint8_t{0});
  append_number(out, len);
  append_number(out, std::uint32_t{0});
  append_number(out, offset);
  append_number(out, count);
}

// What the kernel sends for one read of [offset, offset + count).
inline void append_event(util::Buffer& out, std::int32_t fd, std::uint64_t offset,
                         std::uint64_t count) {
  append_metadata(out, 48, 0x00100000, fd);
  append_range(out, offset, count);
}

}  // namespace ondemand::test
