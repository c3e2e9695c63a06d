// SPDX-License-Identifier: Apache-2.0
//
// Gets frames of a blob from the sources, in their order (OriginOrder), and lets nothing through
// that does not have the digest its chunk index gives (doc/ARCHITECTURE.md, invariant 1).
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "serve/blob.h"
#include "serve/fetch_plan.h"
#include "serve/log_limit.h"
#include "serve/origin_order.h"
#include "source/source.h"
#include "util/error.h"
#include "util/log.h"

namespace ondemand::serve {

using Sources = std::vector<std::shared_ptr<source::Source>>;

// What one round over all sources left behind.
struct FetchFailure {
  std::vector<std::size_t> frames;  // that no source gave, ascending
  util::Error error;                // every cause, "; " between them
  bool is_worth_retrying = false;   // at least one source may do better later
};

struct FetchCounters {
  std::atomic<std::uint64_t> requests = 0;  // range requests sent to a source
  std::atomic<std::uint64_t> bytes = 0;     // stored bytes that arrived
};

class FrameFetcher {
 public:
  // `log` is borrowed.
  FrameFetcher(Sources sources, std::uint64_t max_request_bytes, util::Log& log)
      : sources_(std::move(sources)),
        max_request_bytes_(max_request_bytes),
        log_(log),
        order_(sources_.size()) {}

  // Takes the verified, uncompressed bytes of one frame.  Must not throw.
  using Deliver = std::function<void(std::size_t frame, util::Bytes bytes)>;

  // One round: what the first source lacks or gets wrong is asked of the next.  Every frame is
  // either delivered once or named in the failure.  A source that is not the last gets at most
  // its share of the time that is left.
  std::optional<FetchFailure> fetch(const Blob& blob, std::span<const std::size_t> frames,
                                    source::Deadline deadline, FetchCounters& counters,
                                    const Deliver& deliver) const;

 private:
  struct Causes;
  // False: the source had better be asked last for a while.
  bool fetch_from(source::Source& source, const Blob& blob, source::Deadline deadline,
                  FetchCounters& counters, std::vector<std::size_t>& frames, Causes& causes,
                  const Deliver& deliver) const;
  bool fetch_run(source::Source& source, const Blob& blob, FrameRun run, source::Deadline deadline,
                 FetchCounters& counters, std::vector<std::size_t>& failed, Causes& causes,
                 const Deliver& deliver) const;

  void fetch_singly(source::Source& source, const Blob& blob, FrameRun run,
                    source::Deadline deadline, FetchCounters& counters,
                    std::vector<std::size_t>& failed, Causes& causes, const Deliver& deliver) const;
  void report_bad_frame(const source::Source& source, const Blob& blob, std::size_t frame,
                        const util::Error& error) const;
  void report_failure(const source::Source& source, const Blob& blob,
                      const util::Error& error) const;

  const Sources sources_;
  const std::uint64_t max_request_bytes_;
  util::Log& log_;
  mutable LogLimit bad_frames_;
  mutable LogLimit failures_;
  mutable OriginOrder order_;
};

}  // namespace ondemand::serve
