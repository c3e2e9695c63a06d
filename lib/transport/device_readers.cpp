// SPDX-License-Identifier: Apache-2.0
#include "transport/device_readers.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "cachefiles/abi.h"
#include "util/error.h"

namespace ondemand::transport {

namespace {

util::Fd make_event() {
  util::Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw util::errno_error("eventfd", "open", errno);
  return fd;
}

void raise(const util::Fd& event) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(event.get(), &one, sizeof one);
}

}  // namespace

DeviceReaders::DeviceReaders(cachefiles::Device& device, util::Log& log, Handler handler)
    : device_(device),
      log_(log),
      handler_(std::move(handler)),
      stop_event_(make_event()),
      dead_event_(make_event()) {}

DeviceReaders::~DeviceReaders() {
  stop();
}

void DeviceReaders::start(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i)
    threads_.emplace_back([this] { run(); });
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
bool DeviceReaders::wait() const {
  pollfd polls[2] = {{device_.poll_fd(), POLLIN, 0}, {stop_event_.get(), POLLIN, 0}};
  // The time limit is for what may die without waking anybody.
  if (::poll(polls, 2, 1000) <= 0) return false;
  return polls[0].revents != 0;
}

// False when nothing was there.
bool DeviceReaders::read_one(util::MutableBytes buffer) {
  const cachefiles::Device::Read read = device_.read(buffer);
  if (read.error == EIO) {
    note_dead();
    return false;
  }
  if (read.error != 0) throw util::errno_error("cachefiles device", "read", read.error);
  if (read.bytes == 0) return false;
  handler_(buffer.first(std::min(read.bytes, buffer.size())));
  return true;
}

void DeviceReaders::run() {
  // More than any message: one that is too long is seen to be so, and can be answered.
  std::array<std::uint8_t, 2 * cachefiles::abi::kMaxMessageBytes> buffer{};
  int idle = 0;
  while (!is_stopping_ && !is_dead_) {
    try {
      if (!wait() || is_stopping_) continue;
      // Another thread may have been faster.  A device that always wakes us and never has anything
      // must not use up a processor.
      idle = read_one(buffer) ? 0 : idle + 1;
      if (idle > 100) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } catch (const std::exception& error) {
      log_.error("kernel message not handled", {{"reason", error.what()}});
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
}

}  // namespace ondemand::transport
