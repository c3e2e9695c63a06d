// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "control/control.h"
#include "control/unix_socket.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A client may keep its connection between requests for this long.
constexpr milliseconds kIdleTimeout{60'000};
// How soon a full server looks whether a place has become free.
constexpr milliseconds kFullPause{20};

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};

FileId identify(const std::filesystem::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

}  // namespace

struct Server::State {
  State(const std::filesystem::path& cache_root, Handler given, Limits bounds)
      : handler(std::move(given)),
        limits(bounds),
        path(socket_path(cache_root)),
        name(util::printable(path.native())),
        listener(listen_unix(path, SOMAXCONN)),
        file(identify(path)),
        stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!stop) throw util::errno_error("eventfd", "create", errno);
    acceptor = std::thread([this] { accept_loop(); });
  }

  ~State() {
    const std::uint64_t one = 1;
    // Never read again, so every wait of every thread sees it from now on.
    while (::write(stop.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    acceptor.join();
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return connections == 0; });
    }
    // A successor may have put its own socket there.
    if (identify(path) == file) ::unlink(path.c_str());
  }

  void accept_loop();
  void start(util::Fd fd);
  void serve(int fd);
  std::string answer(const std::string& line);
  bool pause() { return is_stopping(kFullPause); }
  bool is_stopping(milliseconds wait);

  const Handler handler;
  const Limits limits;
  const std::filesystem::path path;
  const std::string name;
  const util::Fd listener;
  const FileId file;
  const util::Fd stop;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t connections = 0;
  std::thread acceptor;
};

bool Server::State::is_stopping(milliseconds wait) {
  pollfd fd{stop.get(), POLLIN, 0};
  return ::poll(&fd, 1, static_cast<int>(wait.count())) > 0;
}

void Server::State::accept_loop() {
  while (!is_stopping(milliseconds(0))) {
    {
      std::unique_lock lock(mutex);
      if (connections >= limits.connections) {
        lock.unlock();
        if (pause()) return;
        continue;
      }
    }
    pollfd fds[2] = {{listener.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    util::Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      start(std::move(fd));
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && pause()) {
      return;  // no descriptor or memory to be had: the connection stays in the queue
    }
  }
}

void Server::State::start(util::Fd fd) {
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
        serve(owned->get());
      } catch (const std::exception&) {
        // Slow, overlong or gone: this client's connection ends, and only that.
      }
      owned->reset();
      finish();
    }).detach();
  } catch (const std::system_error&) {
    finish();  // no thread to be had: the client sees a closed connection
  }
}

std::string Server::State::answer(const std::string& line) {
  try {
    parse_request(line);
    std::string reply = handler(line);
    // One reply is one line, and no longer than the client takes.
    if (reply.size() > kMaxLineBytes || reply.find('\n') != std::string::npos)
      return error_reply("reply: send: longer than one line may be");
    return reply;
  } catch (const util::Error& error) {
    return error_reply(error.message());
  } catch (const std::exception& error) {
    return error_reply(util::concat("internal error: ", std::string_view(error.what())));
  }
}

void Server::State::serve(int fd) {
  LineReader reader(fd, stop.get(), name);
  for (bool is_first = true;; is_first = false) {
    // The time of a request counts from its first byte, on a connection that is kept.
    if (!is_first && !wait_ready(fd, POLLIN, steady_clock::now() + kIdleTimeout, stop.get(), name))
      return;
    const auto line = reader.next(steady_clock::now() + limits.line_timeout);
    if (!line) return;
    const auto deadline = steady_clock::now() + limits.line_timeout;
    if (!write_line(fd, answer(*line), deadline, -1, name)) return;
  }
}

Server::Server(const std::filesystem::path& cache_root, Handler handler)
    : Server(cache_root, std::move(handler), Limits()) {}
Server::Server(const std::filesystem::path& cache_root, Handler handler, Limits limits)
    : state_(std::make_unique<State>(cache_root, std::move(handler), limits)) {}
Server::~Server() = default;

}  // namespace ondemand::control
