// SPDX-License-Identifier: Apache-2.0
//
// Private to this module: a connected socket as the byte stream that the HTTP library reads and
// writes, with the limits that the library lacks: a deadline for the whole exchange, a bound on
// the time without progress, and a bound on the bytes of a header.
// Thread: one user at a time.  Borrows the descriptor.
#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <limits>
#include <vector>

#include "http/socket.h"

namespace ondemand::http {

class SocketStream final : public httplib::Stream {
 public:
  enum class Failure { kNone, kClosed, kBroken, kDeadline, kStalled, kHeaderTooLarge, kWoken };

  // A peer that sends less than this in a stall timeout stalls, so that a trickle of single bytes
  // does not count as progress for ever.
  static constexpr std::size_t kProgressBytes = 16 * 1024;
  // Source: nginx allows 4 x 8 KiB of request headers and Go's client 10 MiB of answer headers;
  // registries send well under 8 KiB.
  static constexpr std::size_t kMaxHeaderBytes = 64 * 1024;

  SocketStream(int fd, TimePoint deadline, std::chrono::milliseconds stall_timeout,
               int wake_fd = -1);

  // From here on at most `limit` bytes may be read, until the next call.
  void limit_reading(std::size_t limit = std::numeric_limits<std::size_t>::max()) {
    budget_ = limit;
  }

  Failure failure() const { return failure_; }
  int failure_errno() const { return errno_; }
  bool has_received() const { return has_received_; }
  // Bytes came that the exchange did not ask for: the connection cannot be used again.
  bool has_unread() const { return begin_ != end_; }

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* ptr, std::size_t size) override;
  ssize_t write(const char* ptr, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd_; }

 private:
  bool wait(short events) const;
  bool fill();
  void note_progress(std::size_t bytes);

  int fd_;
  int wake_fd_;
  TimePoint deadline_;
  std::chrono::milliseconds stall_timeout_;
  TimePoint stall_deadline_;
  std::size_t progress_ = 0;
  std::size_t budget_ = std::numeric_limits<std::size_t>::max();
  bool has_received_ = false;
  mutable Failure failure_ = Failure::kNone;
  int errno_ = 0;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace ondemand::http
