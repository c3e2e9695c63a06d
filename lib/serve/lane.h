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
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
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
  // Rounds over the sources while one of them may do better later; no more than fit the deadline.
  int attempts = std::numeric_limits<int>::max();  // Range: >= 1
  std::chrono::milliseconds first_backoff{100};    // between two rounds; doubles, jittered
  std::chrono::milliseconds max_backoff{2000};
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
  // written to each target, which may be the file of another volume or one made anew.  It is in
  // flights_ until its end, and from then on has no parts: whoever comes later begins another.
  struct Flight {
    Flight(BlobRef a_blob, std::size_t a_frame, Priority a_priority)
        : blob(std::move(a_blob)), frame(a_frame), priority(a_priority) {}

    const BlobRef blob;
    const std::size_t frame;
    std::vector<Part> parts;  // by target
    Priority priority;
    bool is_running = false;  // one job's, which alone ends it (or abort)
  };
  using FlightRef = std::shared_ptr<Flight>;
  // Flights of neighbouring frames, fetched together.
  struct Job {
    std::vector<FlightRef> flights;  // not empty; frame by frame without a gap
    Priority priority = Priority::kDemand;

    const Blob& blob() const { return *flights.front()->blob; }
    Flight& flight_of(std::size_t frame) const {
      return *flights.at(frame - flights.front()->frame);
    }
  };

  void run();
  std::optional<Job> take_job();
  FlightRef next_flight(Priority priority);
  FlightRef find_flight(const Blob& blob, std::size_t frame) const;
  void take_neighbours(Job& job);
  source::Deadline deadline_of(const Job& job) const;
  void run_job(const Job& job);
  static void add_waiter(Flight& flight, const std::shared_ptr<Target>& target,
                         const RequestRef& request);
  bool drop_present(Flight& flight);
  void fetch_frames(const Job& job, std::vector<std::size_t> frames);
  void deliver(Flight& flight, util::Bytes bytes);
  void finish_flight(Flight& flight, const std::optional<util::Error>& error);
  void finish_part(Flight& flight, const std::shared_ptr<Target>& target,
                   const std::optional<util::Error>& error);
  void finish_waiters(std::vector<RequestRef> waiters, const std::optional<util::Error>& error);
  std::shared_ptr<Target> next_target(Flight& flight, std::size_t passed_over = 0);
  void forget(const Flight& flight);
  void end_all(const std::optional<util::Error>& error);
  bool wait_before_retry(int attempt, source::Deadline deadline);
  void start_threads();
  std::deque<FlightRef>& queue(Priority priority) {
    return priority == Priority::kDemand ? demand_ : prefetch_;
  }

  const LaneOptions options_;
  const FrameFetcher& fetcher_;
  util::Log& log_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // By frame; several of one number where requests have different indexes of the blob.
  std::multimap<std::size_t, FlightRef> flights_;
  // In order of arrival; a flight that is running, at its end or of the other priority is passed
  // over.
  std::deque<FlightRef> demand_;
  std::deque<FlightRef> prefetch_;
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
