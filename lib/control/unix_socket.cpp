// SPDX-License-Identifier: Apache-2.0
#include "control/unix_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "control/control.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using util::Error;
using util::ErrorCode;

// sun_path has 108 bytes with the final zero (unix(7)).  A longer path is reached through its
// directory, opened, as /proc/self/fd/N/<file>.
struct Address {
  explicit Address(const std::filesystem::path& path) {
    std::string text = path.native();
    if (text.size() >= sizeof name.sun_path) {
      directory = util::open_file(path.parent_path(), O_PATH | O_DIRECTORY);
      text = util::concat("/proc/self/fd/", directory.get(), '/', path.filename().native());
    }
    if (text.size() >= sizeof name.sun_path)
      throw Error(ErrorCode::kTooLarge,
                  util::concat(util::printable(path.native()), ": address: file name is too long"));
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, text.data(), text.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }

  util::Fd directory;
  sockaddr_un name{};
};

util::Fd make_socket(int flags) {
  util::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd) throw util::errno_error("control socket", "create", errno);
  return fd;
}

// Whether a daemon answers there; the caller found the address in use.
bool is_alive(const Address& address) {
  const util::Fd fd = make_socket(SOCK_NONBLOCK);
  // EAGAIN: a listener whose queue is full.
  return ::connect(fd.get(), address.get(), sizeof address.name) == 0 || errno == EAGAIN;
}

bool is_socket_file(const std::filesystem::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

}  // namespace

util::Fd listen_unix(const std::filesystem::path& path, int backlog) {
  const std::string name = util::printable(path.native());
  const Address address(path);
  util::Fd fd = make_socket(SOCK_NONBLOCK);
  // The file gets the mode of the socket (Linux, net/unix/af_unix.c, unix_bind), so that it is
  // never open to others, not even between bind and a chmod.
  if (::fchmod(fd.get(), 0600) != 0) throw util::errno_error(name, "chmod", errno);
  if (::bind(fd.get(), address.get(), sizeof address.name) != 0) {
    const int error = errno;
    if (error != EADDRINUSE || !is_socket_file(path) || is_alive(address))
      throw util::errno_error(name, "listen", error);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      throw util::errno_error(name, "remove", errno);
    if (::bind(fd.get(), address.get(), sizeof address.name) != 0)
      throw util::errno_error(name, "listen", errno);
  }
  if (::listen(fd.get(), backlog) != 0) throw util::errno_error(name, "listen", errno);
  return fd;
}

std::optional<util::Fd> connect_unix(const std::filesystem::path& path, milliseconds timeout) {
  const std::string name = util::printable(path.native());
  if (!is_socket_file(path)) return std::nullopt;
  const Address address(path);
  util::Fd fd = make_socket(0);
  // A connection to a full queue waits as long as a send may (unix(7), SO_SNDTIMEO).
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(timeout.count() / 1000);
  limit.tv_usec =
      static_cast<suseconds_t>(std::max<std::int64_t>(timeout.count() % 1000 * 1000, 1));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  while (::connect(fd.get(), address.get(), sizeof address.name) != 0) {
    if (errno == EINTR) continue;
    if (errno == ECONNREFUSED || errno == ENOENT) return std::nullopt;
    if (errno == EAGAIN) throw Error(ErrorCode::kTimeout, name + ": connect: timed out");
    throw util::errno_error(name, "connect", errno);
  }
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    throw util::errno_error(name, "fcntl", errno);
  return fd;
}

bool wait_ready(int fd, short events, TimePoint deadline, int wake_fd, std::string_view name) {
  pollfd fds[2] = {{fd, events, 0}, {wake_fd, POLLIN, 0}};
  for (;;) {
    const auto left = std::max(deadline - steady_clock::now(), steady_clock::duration::zero());
    const auto ms = std::min<std::int64_t>(std::chrono::ceil<milliseconds>(left).count(), 60'000);
    const int count = ::poll(fds, 2, static_cast<int>(ms));
    if (count < 0 && errno != EINTR) throw util::errno_error(name, "poll", errno);
    if (count > 0) return fds[1].revents == 0;
    if (count == 0 && steady_clock::now() >= deadline)
      throw Error(ErrorCode::kTimeout, util::concat(name, ": wait: timed out"));
  }
}

std::optional<std::string> LineReader::next(TimePoint deadline) {
  std::size_t searched = 0;
  for (;;) {
    const auto end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    searched = buffer_.size();
    if (searched > limit_)
      throw Error(ErrorCode::kTooLarge,
                  util::concat(name_, ": read: line is longer than ", limit_, " bytes"));
    if (!wait_ready(fd_, POLLIN, deadline, wake_fd_, name_)) return std::nullopt;
    char piece[16 * 1024];
    const ssize_t count = ::recv(fd_, piece, sizeof piece, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) throw util::errno_error(name_, "read", errno);
    if (count == 0 && buffer_.empty()) return std::nullopt;
    if (count == 0) throw Error(ErrorCode::kCorrupt, name_ + ": read: ends inside a line");
    buffer_.append(piece, static_cast<std::size_t>(count));
  }
}

bool write_line(int fd, std::string line, TimePoint deadline, int wake_fd, std::string_view name) {
  line.push_back('\n');
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t count = ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      left.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      if (!wait_ready(fd, POLLOUT, deadline, wake_fd, name)) return false;
    } else if (errno != EINTR) {
      throw util::errno_error(name, "write", errno);
    }
  }
  return true;
}

}  // namespace ondemand::control
