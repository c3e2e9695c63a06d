// SPDX-License-Identifier: Apache-2.0
#include "util/connection_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <memory>

#include "util/error.h"

namespace ondemand::util {

namespace {

// How soon a server without room or descriptors looks again.
constexpr int kPauseMs = 20;

}  // namespace

ConnectionServer::ConnectionServer(Fd listener, std::size_t max_connections, Serve serve)
    : listener_(std::move(listener)),
      max_connections_(max_connections),
      serve_(std::move(serve)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) throw errno_error("eventfd", "create", errno);
  acceptor_ = std::thread([this] { accept_loop(); });
}

ConnectionServer::~ConnectionServer() {
  const std::uint64_t one = 1;
  // Never read again, so every wait of every thread sees it from now on.
  while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  acceptor_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return connections_ == 0; });
}

bool ConnectionServer::is_crowded() const {
  const std::lock_guard lock(mutex_);
  return connections_ > max_connections_ - max_connections_ / 4;
}

bool ConnectionServer::is_ending_within(int milliseconds) const {
  pollfd fd{wake_.get(), POLLIN, 0};
  return ::poll(&fd, 1, milliseconds) > 0;
}

bool ConnectionServer::wait_for_room() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (connections_ < max_connections_) return true;
    }
    if (is_ending_within(kPauseMs)) return false;
  }
}

void ConnectionServer::accept_loop() {
  while (wait_for_room()) {
    pollfd fds[2] = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (is_ending_within(0)) return;
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      start(std::move(fd));
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      // No descriptor or memory to be had: the connection stays in the queue.
      if (is_ending_within(kPauseMs)) return;
    }
  }
}

void ConnectionServer::start(Fd fd) {
  {
    const std::lock_guard lock(mutex_);
    ++connections_;
  }
  const auto finish = [this] {
    const std::lock_guard lock(mutex_);
    --connections_;
    changed_.notify_all();
  };
  try {
    auto owned = std::make_shared<Fd>(std::move(fd));
    std::thread([this, owned, finish] {
      try {
        serve_(*this, owned->get());
      } catch (const std::exception&) {
        // Slow, gone or asking too much: this conversation ends, the server does not.
      }
      owned->reset();
      finish();
    }).detach();
  } catch (const std::exception&) {
    // No thread or memory to be had: the client sees a closed connection and may try again.
    finish();
  }
}

}  // namespace ondemand::util
