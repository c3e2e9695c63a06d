// SPDX-License-Identifier: Apache-2.0
#include "hash/digest_queue.h"

#include <algorithm>
#include <utility>

#include "util/units.h"

namespace ondemand::hash {

namespace {

// Enough for a task that costs much more than its hand-over, and for two digests to be at hand.
constexpr std::size_t kTaskBytes = 1024 * std::size_t{util::kKiB};
constexpr std::size_t kMaxWaiting = 4 * kTaskBytes;

}  // namespace

void DigestQueue::update(Sha256& sha, util::SharedBytes bytes) {
  add({std::move(bytes), &sha, nullptr});
}

void DigestQueue::digest(util::SharedBytes bytes, Digest& out) {
  add({std::move(bytes), nullptr, &out});
}

void DigestQueue::add(Item item) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_bytes_ < kMaxWaiting; });
  if (failure_) std::rethrow_exception(failure_);
  waiting_bytes_ += item.bytes.bytes.size();
  waiting_.push_back(std::move(item));
  if (running_ || waiting_bytes_ < kTaskBytes) return;
  running_ = true;
  lock.unlock();
  try {
    pool_.submit([this] { run(); });
  } catch (...) {
    lock.lock();
    running_ = false;  // nobody may wait for a task that is not there
    throw;
  }
}

void DigestQueue::run() {
  std::unique_lock lock(mutex_);
  while (!waiting_.empty() && (flushing_ || waiting_bytes_ >= kTaskBytes)) {
    const std::vector<Item> items = std::exchange(waiting_, {});
    waiting_bytes_ = 0;
    lock.unlock();
    changed_.notify_all();
    std::exception_ptr failure;
    try {
      take_in(items);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) failure_ = failure;
  }
  running_ = false;
  // Under the lock: whoever waits may destroy this object as soon as it is released.
  changed_.notify_all();
}

void DigestQueue::take_in(const std::vector<Item>& items) {
  // The pieces of each digest, in order; there are a handful of digests at a time.
  std::vector<std::pair<Sha256*, std::vector<util::Bytes>>> pieces;
  std::vector<Sha256Message> messages;
  for (const Item& item : items) {
    if (item.digest != nullptr) {
      messages.push_back({item.bytes.bytes, item.digest});
      continue;
    }
    auto at = std::find_if(pieces.begin(), pieces.end(),
                           [&item](const auto& entry) { return entry.first == item.sha; });
    if (at == pieces.end()) at = pieces.insert(at, {item.sha, {}});
    at->second.push_back(item.bytes.bytes);
  }
  std::vector<Sha256Stream> streams;
  streams.reserve(pieces.size());
  for (const auto& entry : pieces)
    streams.push_back({entry.first, entry.second});
  sha256_together(streams, messages);
}

void DigestQueue::wait() noexcept {
  std::unique_lock lock(mutex_);
  flushing_ = true;
  if (!running_ && !waiting_.empty()) {
    running_ = true;
    lock.unlock();
    // On this thread: it would only wait for another one.
    run();
    lock.lock();
  }
  changed_.wait(lock, [this] { return !running_; });
  flushing_ = false;
}

void DigestQueue::flush() {
  wait();
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace ondemand::hash
