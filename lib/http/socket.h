// SPDX-License-Identifier: Apache-2.0
//
// TCP connections with deadlines.  Descriptors are close-on-exec and non-blocking.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "util/fd.h"

namespace ondemand::http {

using TimePoint = std::chrono::steady_clock::time_point;

enum class Wait { kReady, kTimeout, kWoken };
// Waits until `events` (poll(2)) hold on `fd`, also when it broke off.  kWoken when `wake_fd`
// (-1 = none) becomes readable first.  Throws kIo.
Wait wait_for(int fd, short events, TimePoint deadline, int wake_fd = -1);

// Resolves and connects; every address gets a share of the time.
// Throws kUnavailable (no such host, refused, unreachable, no thread for the look-up) and kTimeout;
// `name` is for messages.
util::Fd connect_tcp(const std::string& host, std::uint16_t port, TimePoint deadline,
                     std::string_view name);

struct ListenAddress {
  std::string host;        // a name, an IPv4 or an IPv6 address (without brackets)
  std::uint16_t port = 0;  // 0 = any free one
};
// "host:port" or "[v6]:port".  Throws kUsage.
ListenAddress parse_listen_address(std::string_view text);
std::string to_string(const ListenAddress& address);

// Binds and listens.  Throws kIo "address: listen: reason", kUnavailable for an unknown host name.
util::Fd listen_tcp(const ListenAddress& address);
std::uint16_t local_port(int fd);

}  // namespace ondemand::http
