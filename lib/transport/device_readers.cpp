// SPDX-License-Identifier: Apache-2.0
#include "transport/device_readers.h"

#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "cachefiles/abi.h"
#include "transport/process.h"
#include "util/error.h"

namespace ondemand::transport {

namespace {

// Unit: milliseconds.
constexpr int kProbeMs = 2000;
// After what may be over soon.
constexpr std::chrono::milliseconds kPause{10};
// From one wait for a descriptor to the next: what does not come soon may not come for long, and
// messages that bring none must not wait for it each time.
constexpr std::chrono::seconds kBetweenWaits{1};

}  // namespace

DeviceReaders::DeviceReaders(cachefiles::Device& device, util::Log& log, Handler handler,
                             std::function<void()> probe)
    : device_(device),
      log_(log),
      handler_(std::move(handler)),
      probe_(std::move(probe)),
      stop_event_(make_event()),
      dead_event_(make_event()) {}

DeviceReaders::~DeviceReaders() {
  stop();
}

void DeviceReaders::start(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i)
    threads_.emplace_back([this, i] { run(probe_ && i == 0); });
}

void DeviceReaders::stop() {
  is_stopping_ = true;
  raise(stop_event_);
  for (std::thread& thread : threads_)
    thread.join();
  threads_.clear();
}

void DeviceReaders::note_dead() noexcept {
  if (is_dead_.exchange(true)) return;
  raise(dead_event_);
  try {
    log_.error(
        "the kernel has given up this cache after an I/O error: every read of missing data "
        "fails; see the kernel's log, unmount the images, start demandd again");
  } catch (const std::exception&) {
  }
}

// True when there may be a message.
bool DeviceReaders::wait(bool is_prober) {
  pollfd polls[3] = {{device_.poll_fd(), POLLIN, 0},
                     {stop_event_.get(), POLLIN, 0},
                     {dead_event_.get(), POLLIN, 0}};
  const int count = ::poll(polls, 3, is_prober ? kProbeMs : -1);
  if (count == 0) probe_();
  if (count <= 0) return false;
  if ((polls[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) note_dead();
  return (polls[0].revents & POLLIN) != 0;
}

// Waits a little for a descriptor to become free, but not for ever: other messages bring none.
void DeviceReaders::find_room(Room& room) {
  constexpr int kTries = 10;
  if (!probe_) return;
  const bool may_wait = std::chrono::steady_clock::now() >= room.next_wait;
  for (int i = 0; i < kTries && !is_stopping_; ++i) {
    if (!room.spare) room.spare = util::Fd(::fcntl(stop_event_.get(), F_DUPFD_CLOEXEC, 0));
    if (room.spare || !may_wait) return;
    std::this_thread::sleep_for(kPause);
  }
  room.next_wait = std::chrono::steady_clock::now() + kBetweenWaits;
  const auto held_back = limit_.pass("room");
  if (!held_back) return;
  log_.error(
      "too many open files: the kernel may fail to open objects; raise the limit (ulimit -n)",
      {{"more_like_it", *held_back}});
}

// False when nothing was there.
bool DeviceReaders::read_one(util::MutableBytes buffer, Room& room) {
  room.spare.reset();
  const cachefiles::Device::Read read = device_.read(buffer);
  // At once, or somebody else has taken it by the next time.
  if (probe_) room.spare = util::Fd(::fcntl(stop_event_.get(), F_DUPFD_CLOEXEC, 0));
  if (read.error == EIO) {
    note_dead();
    return false;
  }
  if (read.error != 0) throw util::errno_error("cachefiles device", "read", read.error);
  if (read.bytes == 0) return false;
  handler_(buffer.first(std::min(read.bytes, buffer.size())));
  return true;
}

void DeviceReaders::note_failure(const char* reason) noexcept {
  try {
    const auto held_back = limit_.pass(reason);
    if (!held_back) return;
    log_.error("kernel message not handled", {{"reason", reason}, {"more_like_it", *held_back}});
  } catch (const std::exception&) {
    // Out of memory for a log line.
  }
}

void DeviceReaders::run(bool is_prober) {
  // More than any message: one that is too long is seen to be so, and can be answered.
  std::array<std::uint8_t, 2 * cachefiles::abi::kMaxMessageBytes> buffer{};
  Room room;
  int idle = 0;
  while (!is_stopping_ && !is_dead_) {
    try {
      if (!wait(is_prober) || is_stopping_) continue;
      // Another thread may have been faster.  A device that always wakes us and never has anything
      // must not use up a processor.
      find_room(room);
      idle = read_one(buffer, room) ? 0 : idle + 1;
      if (idle > 100) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } catch (const std::exception& error) {
      note_failure(error.what());
      std::this_thread::sleep_for(kPause);
    }
  }
}

}  // namespace ondemand::transport
