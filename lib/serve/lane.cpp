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

Error fill_error(const std::exception& exception) noexcept {
  return to_error(exception, "frame: fill: ");
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
        FlightRef flight = find_flight(*blob, frame);
        if (!flight) {
          flight = std::make_shared<Flight>(blob, frame, priority);
          // Queued first: a flight that is in no queue would keep its readers waiting, while one
          // without a reader is passed over.
          queue(priority).push_back(flight);
          flights_.emplace(frame, flight);
        }
        const bool is_promoted = !flight->is_running && priority == Priority::kDemand &&
                                 flight->priority == Priority::kPrefetch;
        if (is_promoted) {
          queue(priority).push_back(flight);
          flight->priority = priority;
        }
        add_waiter(*flight, target, request);
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

// Needs the lock.  Null when there is none.
Lane::FlightRef Lane::find_flight(const Blob& blob, std::size_t frame) const {
  const auto range = flights_.equal_range(frame);
  for (auto found = range.first; found != range.second; ++found)
    if (is_same_frame(*found->second->blob, blob, frame)) return found->second;
  return nullptr;
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
    // First the readers, then the log.
    if (is_last) end_all(to_error(error, "thread: start: "));
    try {
      log_.error("no thread for a fetch", {{"reason", error.what()}, {"threads", wanted - 1}});
    } catch (const std::exception&) {
      // No memory for a log line.
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
      for (const FlightRef& flight : job->flights)
        finish_flight(*flight, fill_error(exception));
    }
    if (job->priority == Priority::kPrefetch) {
      const std::lock_guard lock(mutex_);
      --prefetching_;
    }
  }
}

// The next frame of that priority that still has to be fetched for somebody; null where none has.
Lane::FlightRef Lane::next_flight(Priority priority) {
  std::deque<FlightRef>& waiting = queue(priority);
  while (!waiting.empty()) {
    const FlightRef flight = std::move(waiting.front());
    waiting.pop_front();
    if (flight->is_running || flight->priority != priority) continue;
    const auto is_wanted = [](const Part& part) {
      return std::any_of(part.waiters.begin(), part.waiters.end(),
                         [](const RequestRef& waiter) { return !waiter->is_finished(); });
    };
    if (std::any_of(flight->parts.begin(), flight->parts.end(), is_wanted)) return flight;
    forget(*flight);  // everybody gave up, or it was ended already
  }
  return nullptr;
}

// What waits right behind the job's flights, as far as one request may reach.
void Lane::take_neighbours(Job& job) {
  FrameRun run{job.flights.front()->frame, 1};
  for (;;) {
    FlightRef next = find_flight(job.blob(), run.first + run.count);
    ++run.count;
    if (!next || next->is_running || next->priority != job.priority) return;
    if (stored_range(job.blob().index, run).len > options_.max_request_bytes) return;
    job.flights.push_back(std::move(next));
  }
}

// Waits for work; nullopt when the thread is to end.
std::optional<Lane::Job> Lane::take_job() {
  std::unique_lock lock(mutex_);
  const auto idle_until = std::chrono::steady_clock::now() + options_.idle_timeout;
  for (;;) {
    if (aborted_) break;
    Priority priority = Priority::kDemand;
    FlightRef first = next_flight(priority);
    // Prefetch never takes the last thread: a demand read that comes now would wait for it.
    const std::size_t prefetch_limit = std::max<std::size_t>(1, options_.max_threads - 1);
    if (!first && prefetching_ < prefetch_limit) {
      priority = Priority::kPrefetch;
      first = next_flight(priority);
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
    Job job{{std::move(first)}, priority};
    take_neighbours(job);
    for (const FlightRef& flight : job.flights)
      flight->is_running = true;
    if (priority == Priority::kPrefetch) ++prefetching_;
    return job;
  }
  --threads_running_;
  return std::nullopt;
}

// One that the frame is still to be written to, behind those that were passed over.  Ends the
// flight where it has none left.
std::shared_ptr<Target> Lane::next_target(Flight& flight, std::size_t passed_over) {
  const std::lock_guard lock(mutex_);
  if (passed_over < flight.parts.size()) return flight.parts[passed_over].target;
  if (flight.parts.empty()) forget(flight);
  return nullptr;
}

// Needs the lock.
void Lane::forget(const Flight& flight) {
  const auto range = flights_.equal_range(flight.frame);
  const auto found = std::find_if(range.first, range.second,
                                  [&](const auto& entry) { return entry.second.get() == &flight; });
  if (found != range.second) flights_.erase(found);
}

// Of those who wait, also those who came after the job had begun.
source::Deadline Lane::deadline_of(const Job& job) const {
  const std::lock_guard lock(mutex_);
  source::Deadline deadline = source::Deadline::min();
  for (const FlightRef& flight : job.flights)
    for (const Part& part : flight->parts)
      for (const RequestRef& waiter : part.waiters)
        deadline = std::max(deadline, waiter->deadline());
  return deadline;
}

void Lane::run_job(const Job& job) {
  std::vector<std::size_t> frames;
  for (const FlightRef& flight : job.flights)
    if (!drop_present(*flight)) frames.push_back(flight->frame);
  if (!frames.empty()) fetch_frames(job, std::move(frames));
}

// A frame may have been filled between the plan and now, by the flight before this one.  True when
// that leaves nobody who waits.
bool Lane::drop_present(Flight& flight) {
  std::size_t absent = 0;
  while (const std::shared_ptr<Target> target = next_target(flight, absent)) {
    try {
      if (target->missing(frame_blocks(*flight.blob, flight.frame)).empty()) {
        finish_part(flight, target, std::nullopt);
      } else {
        ++absent;
      }
    } catch (const std::exception& exception) {
      finish_part(flight, target, fill_error(exception));
    }
  }
  return absent == 0;
}

void Lane::fetch_frames(const Job& job, std::vector<std::size_t> frames) {
  const auto take = [&](std::size_t frame, util::Bytes bytes) {
    Flight& flight = job.flight_of(frame);
    try {
      deliver(flight, bytes);
    } catch (const std::exception& exception) {
      finish_flight(flight, fill_error(exception));
    }
  };
  for (int attempt = 1;; ++attempt) {
    const std::optional<FetchFailure> failure =
        fetcher_.fetch(job.blob(), frames, deadline_of(job), counters_, take);
    if (!failure) return;
    const bool is_last = attempt >= options_.attempts || !failure->is_worth_retrying ||
                         !wait_before_retry(attempt, deadline_of(job));
    if (is_last) {
      for (const std::size_t frame : failure->frames)
        finish_flight(job.flight_of(frame), failure->error);
      return;
    }
    frames = failure->frames;
  }
}

// False when no time is left for another attempt.
bool Lane::wait_before_retry(int attempt, source::Deadline deadline) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto full = std::min<std::chrono::milliseconds>(
      options_.first_backoff * (1 << std::min(attempt - 1, 10)), options_.max_backoff);
  const auto part = std::uniform_int_distribution<std::int64_t>(50, 100)(random);
  const auto until = std::chrono::steady_clock::now() + full * part / 100;
  if (until >= deadline) return false;
  std::unique_lock lock(mutex_);
  return !changed_.wait_until(lock, until, [this] { return aborted_; });
}

// A target that cannot be written to concerns only those who wait for that one.
void Lane::deliver(Flight& flight, util::Bytes bytes) {
  const util::ByteRange blocks = frame_blocks(*flight.blob, flight.frame);
  util::Buffer padded;
  if (blocks.len != bytes.size()) {
    padded.assign(bytes.begin(), bytes.end());
    padded.resize(static_cast<std::size_t>(blocks.len));
    bytes = padded;
  }
  while (const std::shared_ptr<Target> target = next_target(flight)) {
    std::optional<Error> error;
    try {
      write_missing(*target, blocks, bytes);
    } catch (const std::exception& exception) {
      error = fill_error(exception);
    }
    finish_part(flight, target, error);
  }
}

// Tells those who waited and have nothing left to wait for.  Calls completions: never with the
// lock, since they may ask again.
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

void Lane::finish_flight(Flight& flight, const std::optional<Error>& error) {
  std::vector<Part> parts;
  {
    const std::lock_guard lock(mutex_);
    parts.swap(flight.parts);
    forget(flight);
  }
  for (Part& part : parts)
    finish_waiters(std::move(part.waiters), error);
}

// The flight goes on without this target: those who come meanwhile may wait for another.
void Lane::finish_part(Flight& flight, const std::shared_ptr<Target>& target,
                       const std::optional<Error>& error) {
  std::vector<RequestRef> waiters;
  {
    const std::lock_guard lock(mutex_);
    const auto part = std::find_if(flight.parts.begin(), flight.parts.end(),
                                   [&](const Part& each) { return each.target == target; });
    if (part == flight.parts.end()) return;
    waiters = std::move(part->waiters);
    flight.parts.erase(part);
  }
  finish_waiters(std::move(waiters), error);
}

// Throws nothing: nobody else has those flights any more.
void Lane::end_all(const std::optional<Error>& error) {
  std::multimap<std::size_t, FlightRef> flights;
  {
    const std::lock_guard lock(mutex_);
    flights.swap(flights_);
  }
  for (const auto& [frame, flight] : flights)
    finish_flight(*flight, error);
}

void Lane::abort(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
  }
  changed_.notify_all();
  end_all(error);
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
