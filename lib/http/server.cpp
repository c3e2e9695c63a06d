// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "http/server_protocol.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::http {

struct Server::State {
  State(const ListenAddress& given, Handler handler, ServerOptions limits)
      : options(limits),
        protocol(std::move(handler), limits),
        address(given),
        listener(listen_tcp(given)),
        stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!stop) throw util::errno_error("eventfd", "create", errno);
    address.port = local_port(listener.get());
    acceptor = std::thread([this] { accept_loop(); });
  }

  ~State() {
    const std::uint64_t one = 1;
    // Never read again, so every wait of every thread sees it from now on.
    while (::write(stop.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    acceptor.join();
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return connections == 0; });
  }

  bool is_full() {
    const std::lock_guard lock(mutex);
    return connections >= options.max_connections;
  }
  bool is_crowded() {
    const std::lock_guard lock(mutex);
    return connections > options.max_connections - options.max_connections / 4;
  }

  void accept_loop();
  void start(util::Fd fd);

  const ServerOptions options;
  ServerProtocol protocol;
  ListenAddress address;
  util::Fd listener;
  util::Fd stop;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t connections = 0;
  std::thread acceptor;
};

void Server::State::accept_loop() {
  using std::chrono::milliseconds;
  const auto soon = [] { return std::chrono::steady_clock::now() + milliseconds(20); };
  for (;;) {
    if (is_full()) {  // the rest waits in the kernel's queue
      if (wait_for(stop.get(), POLLIN, soon()) == Wait::kReady) return;
      continue;
    }
    const auto wait = wait_for(listener.get(), POLLIN, TimePoint::max(), stop.get());
    if (wait == Wait::kWoken) return;
    util::Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      start(std::move(fd));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The connection stays in the queue: let others end before the next try.
      if (wait_for(stop.get(), POLLIN, soon()) == Wait::kReady) return;
    }
  }
}

void Server::State::start(util::Fd fd) {
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  {
    const std::lock_guard lock(mutex);
    ++connections;
  }
  const auto finish = [this] {
    const std::lock_guard lock(mutex);
    --connections;
    changed.notify_all();
  };
  try {
    auto owned = std::make_shared<util::Fd>(std::move(fd));
    std::thread([this, owned, finish] {
      try {
        protocol.serve(owned->get(), stop.get(), [this] { return is_crowded(); });
      } catch (const std::exception&) {
        // Out of memory or a broken poll: this connection ends, the server does not.
      }
      owned->reset();
      finish();
    }).detach();
  } catch (const std::system_error&) {
    finish();  // no thread to be had: the client sees a closed connection and may try again
  }
}

Server::Server(const ListenAddress& address, Handler handler, ServerOptions options)
    : state_(std::make_unique<State>(address, std::move(handler), options)) {}
Server::~Server() = default;

std::uint16_t Server::port() const {
  return state_->address.port;
}
std::string Server::url() const {
  return "http://" + to_string(state_->address);
}

}  // namespace ondemand::http
