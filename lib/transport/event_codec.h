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
// (a wrong length) ends the decoding and counts as one malformed event.  Throws nothing.
DecodedEvents decode_events(util::Bytes bytes);

}  // namespace ondemand::transport
