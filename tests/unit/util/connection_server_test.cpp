// SPDX-License-Identifier: Apache-2.0
#include "util/connection_server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/no_memory.h"

namespace ondemand::util {
namespace {

// An abstract address of the test's own process: no file is left.
sockaddr_un test_address(socklen_t& length) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "connection_server_test." + std::to_string(::getpid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

Fd listen_here() {
  socklen_t length = 0;
  const sockaddr_un address = test_address(length);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  EXPECT_EQ(::listen(fd.get(), 16), 0);
  return fd;
}

Fd connect_here() {
  socklen_t length = 0;
  const sockaddr_un address = test_address(length);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  return fd;
}

// What the server sends until it closes.
std::string read_to_end(const Fd& fd) {
  std::string all;
  char bytes[64];
  for (ssize_t len = 0; (len = ::read(fd.get(), bytes, sizeof bytes)) > 0;)
    all.append(bytes, static_cast<std::size_t>(len));
  return all;
}

void send(int fd, std::string_view text) {
  EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

void wait_until_woken(int wake_fd) {
  pollfd wait{wake_fd, POLLIN, 0};
  ::poll(&wait, 1, -1);
}

TEST(ConnectionServer, ServesEachConnectionOnAThreadOfItsOwn) {
  std::atomic<int> count = 0;
  ConnectionServer server(listen_here(), 8, [&](const ConnectionServer& self, int fd) {
    const bool is_first = count++ == 0;
    send(fd, "hello");
    // The first one stays: the second is served beside it.
    if (is_first) wait_until_woken(self.wake_fd());
  });
  const Fd first = connect_here();
  char bytes[5];
  ASSERT_EQ(::recv(first.get(), bytes, sizeof bytes, MSG_WAITALL), 5);
  const Fd second = connect_here();
  EXPECT_EQ(read_to_end(second), "hello");
}

TEST(ConnectionServer, EndsConversationsWhenItIsDestroyed) {
  std::optional<ConnectionServer> server;
  server.emplace(listen_here(), 4, [&](const ConnectionServer& self, int fd) {
    send(fd, "a");
    wait_until_woken(self.wake_fd());
    send(fd, "b");
  });
  const Fd client = connect_here();
  char byte = 0;
  ASSERT_EQ(::read(client.get(), &byte, 1), 1);
  server.reset();
  EXPECT_EQ(read_to_end(client), "b");
}

TEST(ConnectionServer, LetsMoreThanItsBoundWait) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  ConnectionServer server(listen_here(), 2, [&](const ConnectionServer&, int fd) {
    const int now = ++running;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    char byte = 0;
    pollfd wait{fd, POLLIN, 0};
    ::poll(&wait, 1, -1);
    EXPECT_EQ(::read(fd, &byte, 1), 1);
    --running;
    send(fd, "done");
  });
  std::vector<Fd> clients;
  for (int i = 0; i < 6; ++i)
    clients.push_back(connect_here());
  for (const Fd& client : clients)
    send(client.get(), "x");
  for (const Fd& client : clients)
    EXPECT_EQ(read_to_end(client), "done");
  EXPECT_LE(most, 2);
}

TEST(ConnectionServer, OutlivesAConversationThatThrows) {
  std::atomic<int> count = 0;
  ConnectionServer server(listen_here(), 1, [&](const ConnectionServer&, int fd) {
    if (count++ == 0) throw std::runtime_error("broken");
    send(fd, "fine");
  });
  EXPECT_EQ(read_to_end(connect_here()), "");
  EXPECT_EQ(read_to_end(connect_here()), "fine");
}

TEST(ConnectionServer, OutlivesAConnectionThatItHasNoMemoryFor) {
  ConnectionServer server(listen_here(), 1,
                          [&](const ConnectionServer&, int fd) { send(fd, "fine"); });
  {
    const test::NoMemory no_memory;
    EXPECT_EQ(read_to_end(connect_here()), "");
  }
  EXPECT_EQ(read_to_end(connect_here()), "fine");  // its place is free again
}

TEST(ConnectionServer, TellsWhenItIsCrowded) {
  ConnectionServer server(listen_here(), 4, [&](const ConnectionServer& self, int fd) {
    send(fd, "x");
    wait_until_woken(self.wake_fd());
  });
  std::vector<Fd> clients;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(server.is_crowded(), false) << i;
    clients.push_back(connect_here());
    char byte = 0;
    ASSERT_EQ(::read(clients.back().get(), &byte, 1), 1);
  }
  EXPECT_TRUE(server.is_crowded());
}

}  // namespace
}  // namespace ondemand::util
