// SPDX-License-Identifier: Apache-2.0
#include "support/fault_server.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "util/text.h"

namespace ondemand::test {
namespace {

// A loopback socket; `listening` or only bound, which makes connections refused.
int make_socket(bool listening, int& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
      (listening && ::listen(fd, 128) != 0))
    throw std::runtime_error("fault server: no socket");
  port = ntohs(address.sin_port);
  return fd;
}

enum class Event { kReady, kStopped, kTimeout };
Event wait(int fd, short events, int stop_fd, int milliseconds) {
  pollfd fds[2] = {{fd, events, 0}, {stop_fd, POLLIN, 0}};
  const int count = ::poll(fds, 2, milliseconds);
  if (count == 0) return Event::kTimeout;
  if (fds[1].revents != 0) return Event::kStopped;
  return Event::kReady;
}

}  // namespace

bool FaultConnection::send(std::string_view bytes) {
  while (is_open_ && !bytes.empty()) {
    if (wait(fd_, POLLOUT, stop_fd_, -1) != Event::kReady) return is_open_ = false;
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) continue;
    if (count < 0) return is_open_ = false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return is_open_;
}

void FaultConnection::flush() {
  int unsent = 1;
  while (is_open_ && ::ioctl(fd_, SIOCOUTQ, &unsent) == 0 && unsent > 0)
    std::this_thread::yield();
}

bool FaultConnection::pause(int milliseconds) {
  if (is_open_ && wait(fd_, POLLRDHUP, stop_fd_, milliseconds) != Event::kTimeout) is_open_ = false;
  return is_open_;
}

void FaultConnection::hold() {
  pause(-1);
  is_open_ = false;
}

void FaultConnection::reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  is_open_ = false;
}

struct FaultServer::State {
  explicit State(Handler given) : handler(std::move(given)) {
    listener = make_socket(true, port);
    stop = ::eventfd(0, EFD_CLOEXEC);
    acceptor = std::thread([this] { accept_loop(); });
  }
  ~State() {
    const std::uint64_t one = 1;
    if (::write(stop, &one, sizeof one) != sizeof one) std::abort();
    acceptor.join();
    for (auto& thread : threads)
      thread.join();
    ::close(listener);
    ::close(stop);
  }

  void accept_loop() {
    while (wait(listener, POLLIN, stop, -1) == Event::kReady) {
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections;
      threads.emplace_back([this, fd] {
        serve(fd);
        ::close(fd);
      });
    }
  }

  void serve(int fd) {
    std::string input;
    FaultConnection connection(fd, stop);
    while (connection.is_open()) {
      const auto end = input.find("\r\n\r\n");
      if (end != std::string::npos) {
        const std::string head = input.substr(0, end + 4);
        input.erase(0, end + 4);
        {
          const std::lock_guard lock(mutex);
          heads.push_back(head);
        }
        handler(connection, head);
        continue;
      }
      if (wait(fd, POLLIN, stop, -1) != Event::kReady) return;
      char piece[4096];
      const ssize_t count = ::recv(fd, piece, sizeof piece, 0);
      if (count <= 0) return;
      input.append(piece, static_cast<std::size_t>(count));
    }
  }

  const Handler handler;
  int port = 0;
  int listener = -1;
  int stop = -1;
  std::atomic<int> connections{0};
  std::mutex mutex;
  std::vector<std::string> heads;
  std::vector<std::thread> threads;  // only the acceptor adds
  std::thread acceptor;
};

FaultServer::FaultServer(Handler handler) : state_(std::make_unique<State>(std::move(handler))) {}
FaultServer::~FaultServer() = default;

std::string FaultServer::url() const {
  return util::concat("http://127.0.0.1:", state_->port);
}
int FaultServer::connections() const {
  return state_->connections;
}
int FaultServer::requests() const {
  return static_cast<int>(heads().size());
}

std::vector<std::string> FaultServer::heads() const {
  const std::lock_guard lock(state_->mutex);
  return state_->heads;
}

std::string request_target(const std::string& head) {
  const auto begin = head.find(' ') + 1;
  return head.substr(begin, head.find(' ', begin) - begin);
}

std::string http_answer(std::string_view status, std::string_view body,
                        const std::vector<std::string>& fields) {
  std::string out = util::concat("HTTP/1.1 ", status, "\r\n");
  for (const auto& field : fields)
    out += field + "\r\n";
  return util::concat(out, "Content-Length: ", body.size(), "\r\n\r\n", body);
}

std::string refused_url() {
  // Kept bound for ever, so that no other test gets the port.
  static int port = 0;
  static const int fd = make_socket(false, port);
  (void)fd;
  return util::concat("http://127.0.0.1:", port);
}

}  // namespace ondemand::test
