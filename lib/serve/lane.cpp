// SPDX-License-Identifier: Apache-2.0
#include "serve/lane.h"

#include <algorithm>
#include <exception>
#include <random>

#include "util/text.h"

namespace ondemand::serve {

using util::Error;
using util::ErrorCode;

namespace {

Error to_error(const std::exception& exception) {
  if (const auto* error = dynamic_cast<const Error*>(&exception)) return *error;
  return Error(ErrorCode::kInternal, util::concat("frame: fill: ", exception.what()));
}

// What a reader may be looking at stays untouched.
void write_missing(Target& target, util::ByteRange blocks, util::Bytes bytes) {
  for (const util::ByteRange& hole : target.missing(blocks)) {
    target.write(hole.offset, bytes.subspan(static_cast<std::size_t>(hole.offset - blocks.offset),
                                            static_cast<std::size_t>(hole.len)));
  }
}

}  // namespace

Lane::Lane(const LaneOptions& options, const FrameFetcher& fetcher, util::Log& log)
    : options_(options), fetcher_(fetcher), log_(log) {}

Lane::~Lane() {
  abort(Error(ErrorCode::kUnavailable, "engine: fetch: stopped"));
  threads_.join_all();
}

void Lane::add(const BlobRef& blob, const std::shared_ptr<Target>& target,
               const std::vector<std::size_t>& frames, Priority priority,
               const RequestRef& request) {
  std::optional<Error> failure;
  {
    const std::lock_guard lock(mutex_);
    if (aborted_) {
      failure = Error(ErrorCode::kUnavailable, "engine: fetch: stopped");
    } else {
      request->frames_left = frames.size();
      for (const std::size_t frame : frames) {
        // Queued first: a flight that is in no queue would keep its readers waiting, while an entry
        // without a flight, or a flight without a reader, is passed over.
        if (flights_.count(frame) == 0) queue(priority).push_back(frame);
        const auto [found, is_new] = flights_.try_emplace(frame);
        Flight& flight = found->second;
        const bool is_promoted = !is_new && !flight.is_running && priority == Priority::kDemand &&
                                 flight.priority == Priority::kPrefetch;
        if (is_new) {
          flight.blob = blob;
          flight.priority = priority;
        }
        if (is_promoted) {
          queue(priority).push_back(frame);
          flight.priority = priority;
        }
        add_waiter(flight, target, request);
      }
    }
  }
  if (failure) {
    request->finish(failure);
    return;
  }
  start_threads();
  changed_.notify_all();
}

void Lane::add_waiter(Flight& flight, const std::shared_ptr<Target>& target,
                      const RequestRef& request) {
  auto part = std::find_if(flight.parts.begin(), flight.parts.end(),
                           [&](const Part& each) { return each.target == target; });
  if (part == flight.parts.end()) part = flight.parts.insert(part, Part{target, {}});
  part->waiters.push_back(request);
}

void Lane::start_threads() {
  std::size_t wanted = 0;
  {
    const std::lock_guard lock(mutex_);
    // One fetch takes many neighbouring frames, so a thread at a time is enough: it asks for help
    // (by calling this) when it has taken its share and frames are left.
    const bool has_work = !demand_.empty() || !prefetch_.empty();
    if (aborted_ || !has_work || threads_idle_ > 0 || threads_running_ >= options_.max_threads)
      return;
    ++threads_running_;
    wanted = threads_running_;
  }
  try {
    threads_.start([this] { run(); });
  } catch (const std::exception& error) {
    bool is_last = false;
    {
      const std::lock_guard lock(mutex_);
      is_last = --threads_running_ == 0;
    }
    log_.error("no thread for a fetch", {{"reason", error.what()}, {"threads", wanted - 1}});
    if (is_last) {
      std::vector<std::size_t> frames;
      {
        const std::lock_guard lock(mutex_);
        for (const auto& [frame, flight] : flights_)
          frames.push_back(frame);
      }
      const Error failure(ErrorCode::kUnavailable, "thread: start: the system has none to give");
      for (const std::size_t frame : frames)
        finish_frame(frame, failure);
    }
  }
}

void Lane::run() {
  for (;;) {
    const std::optional<Job> job = take_job();
    if (!job) return;
    start_threads();  // for what this job left in the queues
    try {
      run_job(*job);
    } catch (const std::exception& exception) {
      for (const std::size_t frame : job->frames)
        finish_frame(frame, to_error(exception));
    }
    if (job->priority == Priority::kPrefetch) {
      const std::lock_guard lock(mutex_);
      --prefetching_;
    }
  }
}

// The next frame of that priority that still has to be fetched for somebody.
std::optional<std::size_t> Lane::next_frame(Priority priority) {
  std::deque<std::size_t>& waiting = queue(priority);
  while (!waiting.empty()) {
    const std::size_t frame = waiting.front();
    waiting.pop_front();
    const auto found = flights_.find(frame);
    if (found == flights_.end() || found->second.is_running || found->second.priority != priority)
      continue;
    const auto is_wanted = [](const Part& part) {
      return std::any_of(part.waiters.begin(), part.waiters.end(),
                         [](const RequestRef& waiter) { return !waiter->is_finished(); });
    };
    const std::vector<Part>& parts = found->second.parts;
    if (std::any_of(parts.begin(), parts.end(), is_wanted)) return frame;
    flights_.erase(found);  // everybody gave up
  }
  return std::nullopt;
}

// Waits for work; nullopt when the thread is to end.
std::optional<Lane::Job> Lane::take_job() {
  std::unique_lock lock(mutex_);
  const auto idle_until = std::chrono::steady_clock::now() + options_.idle_timeout;
  for (;;) {
    if (aborted_) break;
    Priority priority = Priority::kDemand;
    std::optional<std::size_t> first = next_frame(priority);
    // Prefetch never takes the last thread: a demand read that comes now would wait for it.
    const std::size_t prefetch_limit = std::max<std::size_t>(1, options_.max_threads - 1);
    if (!first && prefetching_ < prefetch_limit) {
      priority = Priority::kPrefetch;
      first = next_frame(priority);
    }
    if (!first) {
      ++threads_idle_;
      const auto status = changed_.wait_until(lock, idle_until);
      --threads_idle_;
      const bool is_late = status == std::cv_status::timeout;
      if (is_late && demand_.empty() && (prefetch_.empty() || prefetching_ >= prefetch_limit))
        break;
      continue;
    }
    Job job{flights_.at(*first).blob, {}, source::Deadline::min(), priority};
    FrameRun run{*first, 0};
    for (std::size_t frame = *first;; ++frame) {  // with all its neighbours that wait too
      const auto found = flights_.find(frame);
      if (found == flights_.end() || found->second.is_running || found->second.priority != priority)
        break;
      ++run.count;
      if (run.count > 1 && stored_range(job.blob->index, run).len > options_.max_request_bytes)
        break;
      found->second.is_running = true;
      job.frames.push_back(frame);
      for (const Part& part : found->second.parts)
        for (const RequestRef& waiter : part.waiters)
          job.deadline = std::max(job.deadline, waiter->deadline());
    }
    if (priority == Priority::kPrefetch) ++prefetching_;
    return job;
  }
  --threads_running_;
  return std::nullopt;
}

std::vector<std::shared_ptr<Target>> Lane::targets_of(std::size_t frame) {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Target>> targets;
  const auto found = flights_.find(frame);
  if (found != flights_.end())
    for (const Part& part : found->second.parts)
      targets.push_back(part.target);
  return targets;
}

// One that the frame is still to be written to; null when the flight is at its end, or aborted.
std::shared_ptr<Target> Lane::next_target(std::size_t frame) {
  const std::lock_guard lock(mutex_);
  const auto found = flights_.find(frame);
  if (found == flights_.end()) return nullptr;
  if (!found->second.parts.empty()) return found->second.parts.front().target;
  flights_.erase(found);  // there was no memory for its first reader
  return nullptr;
}

void Lane::run_job(const Job& job) {
  std::vector<std::size_t> frames = drop_present(job);
  if (!frames.empty()) fetch_frames(job, std::move(frames));
}

// A frame may have been filled between the plan and now, by the flight before this one.
std::vector<std::size_t> Lane::drop_present(const Job& job) {
  std::vector<std::size_t> absent;
  for (const std::size_t frame : job.frames) {
    for (const std::shared_ptr<Target>& target : targets_of(frame)) {
      try {
        if (target->missing(frame_blocks(*job.blob, frame)).empty())
          finish_part(frame, target, std::nullopt);
      } catch (const std::exception& exception) {
        finish_part(frame, target, to_error(exception));
      }
    }
    if (next_target(frame)) absent.push_back(frame);
  }
  return absent;
}

void Lane::fetch_frames(const Job& job, std::vector<std::size_t> frames) {
  const auto deliver = [&](std::size_t frame, util::Bytes bytes) {
    try {
      deliver_frame(*job.blob, frame, bytes);
    } catch (const std::exception& exception) {
      finish_frame(frame, to_error(exception));
    }
  };
  for (int attempt = 1;; ++attempt) {
    const std::optional<FetchFailure> failure =
        fetcher_.fetch(*job.blob, frames, job.deadline, counters_, deliver);
    if (!failure) return;
    const bool is_last = attempt >= options_.attempts || !failure->is_worth_retrying ||
                         !wait_before_retry(attempt, job.deadline);
    if (is_last) {
      for (const std::size_t frame : failure->frames)
        finish_frame(frame, failure->error);
      return;
    }
    frames = failure->frames;
  }
}

// False when no time is left for another attempt.
bool Lane::wait_before_retry(int attempt, source::Deadline deadline) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto full = options_.first_backoff * (1 << std::min(attempt - 1, 10));
  const auto part = std::uniform_int_distribution<std::int64_t>(50, 100)(random);
  const auto until = std::chrono::steady_clock::now() + full * part / 100;
  if (until >= deadline) return false;
  std::unique_lock lock(mutex_);
  return !changed_.wait_until(lock, until, [this] { return aborted_; });
}

// A target that cannot be written to concerns only those who wait for that one.
void Lane::deliver_frame(const Blob& blob, std::size_t frame, util::Bytes bytes) {
  const util::ByteRange blocks = frame_blocks(blob, frame);
  util::Buffer padded;
  if (blocks.len != bytes.size()) {
    padded.assign(bytes.begin(), bytes.end());
    padded.resize(static_cast<std::size_t>(blocks.len));
    bytes = padded;
  }
  while (const std::shared_ptr<Target> target = next_target(frame)) {
    std::optional<Error> error;
    try {
      write_missing(*target, blocks, bytes);
    } catch (const std::exception& exception) {
      error = to_error(exception);
    }
    finish_part(frame, target, error);
  }
}

// Tells those who waited and have nothing left to wait for.  Calls completions: never with the
// lock, and behind the end of the flight, since they may ask again.
void Lane::finish_waiters(std::vector<RequestRef> waiters, const std::optional<Error>& error) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiters, [&](const RequestRef& waiter) {
      const bool is_complete = --waiter->frames_left == 0;
      return !error && !is_complete;
    });
  }
  for (const RequestRef& request : waiters)
    request->finish(error);
}

void Lane::finish_frame(std::size_t frame, const std::optional<Error>& error) {
  std::vector<Part> parts;
  {
    const std::lock_guard lock(mutex_);
    const auto found = flights_.find(frame);
    if (found == flights_.end()) return;
    parts = std::move(found->second.parts);
    flights_.erase(found);
  }
  for (Part& part : parts)
    finish_waiters(std::move(part.waiters), error);
}

// The last part is the end of the flight: whoever comes later begins another.
void Lane::finish_part(std::size_t frame, const std::shared_ptr<Target>& target,
                       const std::optional<Error>& error) {
  std::vector<RequestRef> waiters;
  {
    const std::lock_guard lock(mutex_);
    const auto found = flights_.find(frame);
    if (found == flights_.end()) return;
    std::vector<Part>& parts = found->second.parts;
    const auto part = std::find_if(parts.begin(), parts.end(),
                                   [&](const Part& each) { return each.target == target; });
    if (part == parts.end()) return;
    waiters = std::move(part->waiters);
    parts.erase(part);
    if (parts.empty()) flights_.erase(found);
  }
  finish_waiters(std::move(waiters), error);
}

void Lane::abort(const Error& error) {
  std::map<std::size_t, Flight> flights;
  {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
    flights.swap(flights_);
  }
  changed_.notify_all();
  for (auto& [frame, flight] : flights)
    for (const Part& part : flight.parts)
      for (const RequestRef& waiter : part.waiters)
        waiter->finish(error);
}

void Lane::note_error(const Error& error) {
  errors_.fetch_add(1);
  const std::lock_guard lock(mutex_);
  last_error_ = error.message();
}

std::string Lane::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

std::size_t Lane::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_running_;
}

}  // namespace ondemand::serve
