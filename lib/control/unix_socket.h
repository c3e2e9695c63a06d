// SPDX-License-Identifier: Apache-2.0
//
// Private to this module: Unix stream sockets at paths of any length, and whole lines with a
// deadline.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "util/fd.h"

namespace ondemand::control {

using TimePoint = std::chrono::steady_clock::time_point;

// Close-on-exec, non-blocking, mode 0600.  Replaces a socket that nobody listens on.
// Throws kIo when someone does, or when another kind of file is there.
util::Fd listen_unix(const std::filesystem::path& path, int backlog);
// nullopt: nothing is there, or nobody listens.  Throws kTimeout, kIo.
std::optional<util::Fd> connect_unix(const std::filesystem::path& path,
                                     std::chrono::milliseconds timeout);

// Waits for poll(2) events; false when `wake_fd` (-1 = none) became readable.  Throws kTimeout.
bool wait_ready(int fd, short events, TimePoint deadline, int wake_fd, std::string_view name);

// Reads lines of at most about `limit` bytes from one socket.  Borrows the descriptor.
class LineReader {
 public:
  LineReader(int fd, std::size_t limit, int wake_fd, std::string name)
      : fd_(fd), limit_(limit), wake_fd_(wake_fd), name_(std::move(name)) {}
  // The next line without its newline; nullopt at the end, or when woken.
  // Throws kTimeout, kTooLarge, kIo, and kCorrupt when the end comes inside a line.
  std::optional<std::string> next(TimePoint deadline);

 private:
  int fd_;
  std::size_t limit_;
  int wake_fd_;
  std::string name_;
  std::string buffer_;
};

// Writes the line and a newline; false when woken.  Throws kTimeout, kIo.
bool write_line(int fd, std::string line, TimePoint deadline, int wake_fd, std::string_view name);

}  // namespace ondemand::control
