// SPDX-License-Identifier: Apache-2.0
//
// What became of the kernel's requests: counters, and one line of log for each kind of refusal.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "hash/digest.h"
#include "serve/log_limit.h"
#include "transport/transport.h"
#include "util/error.h"
#include "util/log.h"
#include "util/units.h"

namespace ondemand::transport {

class RequestNotes {
 public:
  // Borrows the log.
  explicit RequestNotes(util::Log& log) : log_(log) {}

  std::atomic<std::uint64_t> requests = 0, present = 0, served = 0, refused = 0, replayed = 0,
                             malformed = 0;
  TransportCounters counters() const;

  // Says why a reader got EIO.  `file`: name of the backing file or object, "?" when there is none.
  // `pid`: of the reader, 0 when that is not known.
  // Does not count; throws nothing.  Call it after the answer: a log may be slow.
  void log_refusal(const std::string& file, const hash::Digest& blob, util::ByteRange range,
                   std::string_view reason, int pid = 0) noexcept;
  // The same of the opening of an object.  `is_in_use`: it was opened all the same, since somebody
  // reads it.
  void log_refused_open(const std::string& object, std::string_view reason,
                        bool is_in_use) noexcept;
  // A message that is not understood.  Counts it.
  void note_malformed(std::string_view reason) noexcept;

 private:
  util::Log& log_;
  serve::LogLimit limit_{std::chrono::seconds(5)};
};

// The number that says most to the kernel about an error of ours.  Range: 1 to 4095.
int errno_of(const util::Error& error);

}  // namespace ondemand::transport
