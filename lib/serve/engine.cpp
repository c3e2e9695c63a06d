// SPDX-License-Identifier: Apache-2.0
#include "serve/engine.h"

#include <algorithm>

#include "util/text.h"

namespace ondemand::serve {

using util::Error;
using util::ErrorCode;

Engine::Engine(Sources sources, const EngineOptions& options, util::Log& log)
    : options_(options),
      log_(log),
      fetcher_(std::move(sources), options.lane.max_request_bytes, log) {}

Engine::~Engine() {
  stop(std::chrono::milliseconds(0));
}

Lane& Engine::lane_of(const BlobRef& blob) {
  const std::lock_guard lock(mutex_);
  const auto entry = lanes_.try_emplace(blob->digest).first;
  try {
    if (!entry->second) entry->second = std::make_unique<Lane>(options_.lane, fetcher_, log_);
  } catch (const std::exception&) {
    lanes_.erase(entry);  // nobody takes an entry without a lane into account
    throw;
  }
  return *entry->second;
}

void Engine::submit(const BlobRef& blob, const std::shared_ptr<Target>& target,
                    util::ByteRange range, Priority priority, Completion completion,
                    std::optional<std::chrono::steady_clock::time_point> deadline) {
  Lane& lane = lane_of(blob);
  lane.note_request();
  const auto request = std::make_shared<Request>(
      deadline.value_or(deadline_from_now()),
      [this, &lane, completion = std::move(completion)](const std::optional<Error>& error) {
        try {
          if (error) lane.note_error(*error);
        } catch (const std::exception&) {
          // Out of memory for a statistic: the reader must have its answer all the same.
        }
        completion(error);
        finished();
      });
  bool is_refused = false;
  {
    const std::lock_guard lock(mutex_);
    ++in_flight_;
    is_refused = is_stopping_;
  }
  // From here on every end goes through the request, which completes once, and nothing is thrown.
  try {
    if (is_refused) throw Error(ErrorCode::kUnavailable, "engine: submit: stopping");
    begin(lane, blob, target, range, priority, request);
  } catch (const std::exception& error) {
    request->finish(to_error(error, "engine: submit: "));
  }
}

void Engine::begin(Lane& lane, const BlobRef& blob, const std::shared_ptr<Target>& target,
                   util::ByteRange range, Priority priority, const RequestRef& request) {
  FramePlan plan;
  const util::ByteRange wanted = clamp_range(range, blob->size);
  if (!wanted.empty()) plan = plan_frames(blob->index, target->missing(wanted));
  if (plan.uncovered) {
    throw Error(ErrorCode::kCorrupt,
                util::concat("blob ", blob->digest.hex(),
                             ": plan: no frame of the chunk index holds the range"));
  }
  if (plan.frames.empty()) {
    request->finish(std::nullopt);
    return;
  }
  clock_.watch(request);
  lane.add(blob, target, plan.frames, priority, request);
}

void Engine::finished() {
  const std::lock_guard lock(mutex_);
  --in_flight_;
  // Under the lock: the engine may be gone once the waiter has seen the zero.
  if (in_flight_ == 0) drained_.notify_all();
}

void Engine::stop(std::chrono::milliseconds grace) {
  std::vector<Lane*> lanes;
  {
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    drained_.wait_for(lock, grace, [this] { return in_flight_ == 0; });
    for (const auto& [digest, lane] : lanes_)
      lanes.push_back(lane.get());
  }
  const Error error(ErrorCode::kUnavailable, "engine: fetch: stopped before it was done");
  for (Lane* lane : lanes)
    lane->abort(error);
  std::unique_lock lock(mutex_);
  drained_.wait(lock, [this] { return in_flight_ == 0; });
}

std::vector<BlobStats> Engine::stats() const {
  std::vector<BlobStats> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [digest, lane] : lanes_) {
      all.push_back(BlobStats{digest, lane->requests(), lane->errors(), lane->counters().requests,
                              lane->counters().bytes, lane->last_error()});
    }
  }
  std::sort(all.begin(), all.end(),
            [](const BlobStats& a, const BlobStats& b) { return a.blob < b.blob; });
  return all;
}

std::size_t Engine::requests_in_flight() const {
  const std::lock_guard lock(mutex_);
  return in_flight_;
}

std::size_t Engine::threads() const {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (const auto& [digest, lane] : lanes_)
    count += lane->threads();
  return count;
}

}  // namespace ondemand::serve
