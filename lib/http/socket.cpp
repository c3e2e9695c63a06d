// SPDX-License-Identifier: Apache-2.0
#include "http/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using util::Error;
using util::ErrorCode;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

struct Resolution {
  int error = 0;  // EAI_*
  std::vector<Address> addresses;
};

Resolution resolve_now(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  Resolution out;
  out.error = ::getaddrinfo(host.c_str(), util::concat(port).c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, [](addrinfo* info) {
    if (info != nullptr) ::freeaddrinfo(info);
  });
  for (const addrinfo* info = out.error == 0 ? list : nullptr; info != nullptr;
       info = info->ai_next) {
    if (info->ai_addrlen > sizeof(sockaddr_storage)) continue;
    Address address;
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.length = info->ai_addrlen;
    address.family = info->ai_family;
    out.addresses.push_back(address);
  }
  return out;
}

// getaddrinfo(3) has no deadline of its own: a thread that nobody waits for any longer finishes
// alone and touches only what it shares with its future.
Resolution resolve(const std::string& host, std::uint16_t port, TimePoint deadline,
                   std::string_view name) {
  auto numeric = resolve_now(host, port, AI_NUMERICHOST | AI_NUMERICSERV);
  if (numeric.error == 0) return numeric;
  auto promise = std::make_shared<std::promise<Resolution>>();
  auto future = promise->get_future();
  try {
    std::thread([promise, host, port] {
      try {
        promise->set_value(resolve_now(host, port, AI_NUMERICSERV));
      } catch (...) {
        promise->set_exception(std::current_exception());
      }
    }).detach();
  } catch (const std::system_error& error) {
    // A limit of processes or memory: another attempt may find room.
    throw Error(ErrorCode::kUnavailable,
                util::concat(name, ": resolve: no thread: ", error.code().message()));
  }
  if (future.wait_until(deadline) != std::future_status::ready)
    throw Error(ErrorCode::kTimeout, util::concat(name, ": resolve: timed out"));
  return future.get();
}

std::string gai_reason(int error) {
  return error == 0 ? "no address" : std::string(::gai_strerror(error));
}

// 0 when connected, else the errno.
int connect_one(const Address& address, TimePoint deadline, util::Fd& out) {
  util::Fd fd(::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno;
  if (::connect(fd.get(), address.get(), address.length) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return errno;
    if (wait_for(fd.get(), POLLOUT, deadline) != Wait::kReady) return ETIMEDOUT;
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
    if (error != 0) return error;
  }
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  out = std::move(fd);
  return 0;
}

}  // namespace

Wait wait_for(int fd, short events, TimePoint deadline, int wake_fd) {
  pollfd fds[2] = {{fd, events, 0}, {wake_fd, POLLIN, 0}};
  for (;;) {
    const auto left = deadline - steady_clock::now();
    // Rounded up, so that the last part of a millisecond is not spent spinning.
    const auto ms = std::chrono::ceil<milliseconds>(std::max(left, steady_clock::duration::zero()));
    const int timeout = static_cast<int>(std::min<std::int64_t>(ms.count(), 60'000));
    const int count = ::poll(fds, 2, timeout);
    if (count < 0 && errno != EINTR) throw util::errno_error("socket", "poll", errno);
    if (count > 0) return fds[1].revents != 0 ? Wait::kWoken : Wait::kReady;
    if (count == 0 && steady_clock::now() >= deadline) return Wait::kTimeout;
  }
}

util::Fd connect_tcp(const std::string& host, std::uint16_t port, TimePoint deadline,
                     std::string_view name) {
  const Resolution resolution = resolve(host, port, deadline, name);
  if (resolution.addresses.empty())
    throw Error(ErrorCode::kUnavailable,
                util::concat(name, ": resolve: ", gai_reason(resolution.error)));
  int error = 0;
  for (std::size_t i = 0; i < resolution.addresses.size(); ++i) {
    const auto now = steady_clock::now();
    const auto left = static_cast<std::int64_t>(resolution.addresses.size() - i);
    util::Fd fd;
    error = connect_one(resolution.addresses[i], now + (deadline - now) / left, fd);
    if (error == 0) return fd;
  }
  if (error == ETIMEDOUT)
    throw Error(ErrorCode::kTimeout, util::concat(name, ": connect: timed out"));
  throw Error(ErrorCode::kUnavailable,
              util::concat(name, ": connect: ", std::string_view(std::strerror(error))));
}

ListenAddress parse_listen_address(std::string_view text) {
  const auto fail = [text] {
    return Error(ErrorCode::kUsage,
                 util::concat(util::printable(text), ": address: not of the form host:port"));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) throw fail();
  auto host = text.substr(0, colon);
  const auto port = util::parse_u64(text.substr(colon + 1));
  if (!port || *port > 65535) throw fail();
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    throw fail();
  }
  if (host.empty() || host.find('\0') != std::string_view::npos) throw fail();
  return {std::string(host), static_cast<std::uint16_t>(*port)};
}

std::string to_string(const ListenAddress& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  const std::string host = util::printable(address.host);
  return is_v6 ? util::concat('[', host, "]:", address.port)
               : util::concat(host, ':', address.port);
}

util::Fd listen_tcp(const ListenAddress& address) {
  const std::string name = to_string(address);
  const auto resolution = resolve_now(address.host, address.port, AI_PASSIVE | AI_NUMERICSERV);
  if (resolution.addresses.empty())
    throw Error(ErrorCode::kUnavailable,
                util::concat(name, ": resolve: ", gai_reason(resolution.error)));
  const Address& first = resolution.addresses.front();
  util::Fd fd(::socket(first.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw util::errno_error(name, "socket", errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // bind(2) finds a port in use, listen(2) one that another socket bound but does not use yet.
  if (::bind(fd.get(), first.get(), first.length) != 0)
    throw util::errno_error(name, "listen", errno);
  if (::listen(fd.get(), SOMAXCONN) != 0) throw util::errno_error(name, "listen", errno);
  return fd;
}

std::uint16_t local_port(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0)
    throw util::errno_error("socket", "getsockname", errno);
  // sin_port and sin6_port lie at the same place.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  sockaddr_in address{};
  std::memcpy(&address, &storage, sizeof address);
  return ntohs(address.sin_port);
}

}  // namespace ondemand::http
