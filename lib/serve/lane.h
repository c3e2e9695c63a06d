// SPDX-License-Identifier: Apache-2.0
//
// Everything that is under way for one blob: which frames are being fetched, who waits for them,
// and the few threads that fetch.  A lane shares nothing with other lanes, so that a blob whose
// server is slow delays no other.  Internal to serve.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/blob.h"
#include "serve/frame_fetcher.h"
#include "serve/request.h"
#include "serve/target.h"
#include "serve/thread_set.h"

namespace ondemand::serve {

struct LaneOptions {
  std::size_t max_threads = 4;                   // fetching at once; Range: >= 1
  std::chrono::milliseconds idle_timeout{5000};  // then a thread without work ends
  std::uint64_t max_request_bytes = 4 * std::uint64_t{util::kMiB};
  int attempts = 2;                              // rounds over the sources; Range: >= 1
  std::chrono::milliseconds first_backoff{100};  // doubles, jittered
};

class Lane {
 public:
  // Borrows the fetcher and the log.
  Lane(const LaneOptions& options, const FrameFetcher& fetcher, util::Log& log);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Makes `request` wait for `frames` (not empty), joining fetches that are under way already.
  void add(const BlobRef& blob, const std::shared_ptr<Target>& target,
           const std::vector<std::size_t>& frames, Priority priority, const RequestRef& request);

  // Fails every request that waits; nothing is fetched from here on.
  void abort(const util::Error& error);

  void note_request() { requests_.fetch_add(1); }
  void note_error(const util::Error& error);
  std::uint64_t requests() const { return requests_.load(); }
  std::uint64_t errors() const { return errors_.load(); }
  std::string last_error() const;
  const FetchCounters& counters() const { return counters_; }
  std::size_t threads() const;

 private:
  // Those who wait for a frame in one target.
  struct Part {
    std::shared_ptr<Target> target;
    std::vector<RequestRef> waiters;
  };
  // One frame on its way: the single flight that all its readers share.  It is fetched once and
  // written to each target, which may be the file of another volume or one made anew.
  struct Flight {
    BlobRef blob;
    std::vector<Part> parts;  // by target
    Priority priority = Priority::kPrefetch;
    bool is_running = false;
  };
  struct Job {
    BlobRef blob;
    std::vector<std::size_t> frames;
    source::Deadline deadline;
    Priority priority = Priority::kDemand;
  };

  void run();
  std::optional<Job> take_job();
  std::optional<std::size_t> next_frame(Priority priority);
  void run_job(const Job& job);
  static void add_waiter(Flight& flight, const std::shared_ptr<Target>& target,
                         const RequestRef& request);
  std::vector<std::size_t> drop_present(const Job& job);
  void fetch_frames(const Job& job, std::vector<std::size_t> frames);
  void deliver_frame(const Blob& blob, std::size_t frame, util::Bytes bytes);
  void finish_frame(std::size_t frame, const std::optional<util::Error>& error);
  void finish_part(std::size_t frame, const std::shared_ptr<Target>& target,
                   const std::optional<util::Error>& error);
  void finish_waiters(std::vector<RequestRef> waiters, const std::optional<util::Error>& error);
  std::shared_ptr<Target> next_target(std::size_t frame);
  bool wait_before_retry(int attempt, source::Deadline deadline);
  std::vector<std::shared_ptr<Target>> targets_of(std::size_t frame);
  void start_threads();
  std::deque<std::size_t>& queue(Priority priority) {
    return priority == Priority::kDemand ? demand_ : prefetch_;
  }

  const LaneOptions options_;
  const FrameFetcher& fetcher_;
  util::Log& log_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::size_t, Flight> flights_;
  // Frames in order of arrival; an entry whose flight is running, gone or of the other priority
  // is passed over.
  std::deque<std::size_t> demand_;
  std::deque<std::size_t> prefetch_;
  std::size_t threads_running_ = 0;
  std::size_t threads_idle_ = 0;
  std::size_t prefetching_ = 0;
  bool aborted_ = false;
  std::string last_error_;

  std::atomic<std::uint64_t> requests_ = 0;
  std::atomic<std::uint64_t> errors_ = 0;
  FetchCounters counters_;
  ThreadSet threads_;
};

}  // namespace ondemand::serve
