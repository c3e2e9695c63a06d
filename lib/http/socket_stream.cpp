// SPDX-License-Identifier: Apache-2.0
#include "http/socket_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ondemand::http {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

// EWOULDBLOCK is EAGAIN on Linux.
bool would_block(int error) {
  return error == EAGAIN || error == EINTR;
}

}  // namespace

SocketStream::SocketStream(int fd, TimePoint deadline, std::chrono::milliseconds stall_timeout,
                           int wake_fd)
    : fd_(fd),
      wake_fd_(wake_fd),
      deadline_(deadline),
      stall_timeout_(stall_timeout),
      stall_deadline_(std::chrono::steady_clock::now() + stall_timeout),
      buffer_(kBufferBytes) {}

bool SocketStream::wait(short events) const {
  const TimePoint until = std::min(deadline_, stall_deadline_);
  switch (wait_for(fd_, events, until, wake_fd_)) {
    case Wait::kReady:
      return true;
    case Wait::kWoken:
      failure_ = Failure::kWoken;
      return false;
    case Wait::kTimeout:
      failure_ = deadline_ <= stall_deadline_ ? Failure::kDeadline : Failure::kStalled;
      return false;
  }
  return false;
}

// Time is looked at even while bytes keep coming, or a fast endless answer would never end.
bool SocketStream::is_readable() const {
  if (failure_ != Failure::kNone) return false;
  return begin_ != end_ || wait(POLLIN);
}

bool SocketStream::is_writable() const {
  return failure_ == Failure::kNone && wait(POLLOUT);
}

void SocketStream::note_progress(std::size_t bytes) {
  progress_ += bytes;
  const auto now = std::chrono::steady_clock::now();
  if (progress_ >= kProgressBytes) {
    progress_ = 0;
    stall_deadline_ = now + stall_timeout_;
  }
  if (now >= deadline_) failure_ = Failure::kDeadline;
}

bool SocketStream::fill() {
  for (;;) {
    if (!wait(POLLIN)) return false;
    const ssize_t count = ::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count < 0 && would_block(errno)) continue;
    if (count <= 0) {
      failure_ = count == 0 ? Failure::kClosed : Failure::kBroken;
      errno_ = count == 0 ? 0 : errno;
      return false;
    }
    has_received_ = true;
    begin_ = 0;
    end_ = static_cast<std::size_t>(count);
    note_progress(end_);
    return failure_ == Failure::kNone;
  }
}

ssize_t SocketStream::read(char* ptr, std::size_t size) {
  if (failure_ == Failure::kClosed) return 0;
  if (failure_ != Failure::kNone) return -1;
  if (begin_ == end_ && !fill()) return failure_ == Failure::kClosed ? 0 : -1;
  if (budget_ == 0) {
    failure_ = Failure::kHeaderTooLarge;
    return -1;
  }
  const std::size_t count = std::min({size, end_ - begin_, budget_});
  std::memcpy(ptr, buffer_.data() + begin_, count);
  begin_ += count;
  if (budget_ != std::numeric_limits<std::size_t>::max()) budget_ -= count;
  return static_cast<ssize_t>(count);
}

ssize_t SocketStream::write(const char* ptr, std::size_t size) {
  for (;;) {
    if (failure_ != Failure::kNone || !wait(POLLOUT)) return -1;
    const ssize_t count = ::send(fd_, ptr, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && would_block(errno)) continue;
    if (count < 0) {
      failure_ = Failure::kBroken;
      errno_ = errno;
      return -1;
    }
    note_progress(static_cast<std::size_t>(count));
    return count;
  }
}

void SocketStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

void SocketStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace ondemand::http
