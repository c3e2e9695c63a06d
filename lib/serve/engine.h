// SPDX-License-Identifier: Apache-2.0
//
// Makes ranges of backing files present: plan, single flight, fetch, verify, decompress, write.
// Knows no kernel transport and no file system.
//
//   submit(range) --> fetch_plan --> lane of the blob (frames under way, own threads)
//                                      --> frame_fetcher (sources in order, digest, decompress)
//                                      --> target.write --> completion
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "serve/blob.h"
#include "serve/frame_fetcher.h"
#include "serve/lane.h"
#include "serve/request.h"
#include "serve/target.h"
#include "util/log.h"

namespace ondemand::serve {

struct EngineOptions {
  std::chrono::milliseconds request_timeout{30000};
  LaneOptions lane;
};

// What happened to one blob since the engine began.
struct BlobStats {
  hash::Digest blob;
  std::uint64_t requests = 0;       // submitted
  std::uint64_t errors = 0;         // completed with an error
  std::uint64_t fetches = 0;        // range requests sent to sources
  std::uint64_t bytes_fetched = 0;  // stored bytes that arrived
  std::string last_error;           // empty: none yet
};

class Engine {
 public:
  // `log` is borrowed.
  Engine(Sources sources, const EngineOptions& options, util::Log& log);
  // Stops without grace and waits for its threads: at most as long as a source exceeds its
  // deadline.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Makes `range`, as far as it lies inside the blob, present in the target, and calls
  // `completion` exactly once, on any thread, possibly before submit() returns: with nothing when
  // all is there, with an error when not within EngineOptions::request_timeout.
  // Another `deadline` than that timeout from now is for one who asks again.
  // A failed request leaves later ones unaffected.  What it throws (no memory) it throws before
  // anything of the request exists; then the completion is not called.
  void submit(const BlobRef& blob, const std::shared_ptr<Target>& target, util::ByteRange range,
              Priority priority, Completion completion,
              std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt);
  // For a request that begins now.
  std::chrono::steady_clock::time_point deadline_from_now() const {
    return std::chrono::steady_clock::now() + options_.request_timeout;
  }

  // Refuses new requests, gives those under way `grace` to finish, then fails the rest.  When it
  // returns, every completion has been called.
  void stop(std::chrono::milliseconds grace);

  std::vector<BlobStats> stats() const;  // sorted by digest
  std::size_t requests_in_flight() const;
  std::size_t threads() const;  // fetching or idle

 private:
  Lane& lane_of(const BlobRef& blob);
  void begin(Lane& lane, const BlobRef& blob, const std::shared_ptr<Target>& target,
             util::ByteRange range, Priority priority, const RequestRef& request);
  void finished();

  const EngineOptions options_;
  util::Log& log_;
  const FrameFetcher fetcher_;

  mutable std::mutex mutex_;
  std::condition_variable drained_;
  std::unordered_map<hash::Digest, std::unique_ptr<Lane>> lanes_;
  std::size_t in_flight_ = 0;
  bool is_stopping_ = false;

  DeadlineClock clock_;  // last: its thread ends first
};

}  // namespace ondemand::serve
