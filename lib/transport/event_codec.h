// SPDX-License-Identifier: Apache-2.0
//
// Bytes of a read() from a fanotify group -> events.  Pure: no descriptor is touched.
#pragma once

#include <cstdint>
#include <vector>

#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::transport {

struct Event {
  int fd = -1;  // open on the file; to be answered and closed by the receiver.  Range: >= 0
  std::uint64_t mask = 0;
  int pid = 0;             // of the reader, in our pid namespace; 0: from another one
  bool has_range = false;  // false: the access has no position
  util::ByteRange range;   // as the kernel sent it: it may lie behind the end, len may be 0
  auto operator<=>(const Event&) const = default;
};

struct DecodedEvents {
  std::vector<Event> events;
  std::size_t malformed = 0;  // events or records that break the format
  std::size_t overflows = 0;  // the kernel dropped events (never in an unlimited queue)
};

// Takes every whole event, in order.  An event with a descriptor is never lost because of a bad
// or unknown record behind it: it comes out without a range.  What cannot be told apart any more
// (a wrong length) ends the decoding and counts as one malformed event.
DecodedEvents decode_events(util::Bytes bytes);

// The same one by one, without memory of its own.
class EventDecoder {
 public:
  // Borrows the bytes.
  explicit EventDecoder(util::Bytes bytes) noexcept : bytes_(bytes) {}

  // False when there are no more.
  bool next(Event& event) noexcept;

  std::size_t malformed() const noexcept { return malformed_; }
  std::size_t overflows() const noexcept { return overflows_; }

 private:
  bool take(Event& event) noexcept;

  util::Bytes bytes_;
  std::size_t malformed_ = 0;
  std::size_t overflows_ = 0;
};

}  // namespace ondemand::transport
