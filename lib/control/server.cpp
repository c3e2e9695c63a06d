// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "control/control.h"
#include "control/unix_socket.h"
#include "util/connection_server.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A client may keep its connection between requests for this long.
constexpr milliseconds kIdleTimeout{60'000};

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
        name(util::printable(path.native())) {
    util::Fd listener = listen_unix(path, SOMAXCONN);
    file = identify(path);
    connections.emplace(
        std::move(listener), limits.connections,
        [this](const util::ConnectionServer& server, int fd) { serve(fd, server.wake_fd()); });
  }

  ~State() {
    connections.reset();
    // A successor may have put its own socket there.
    if (identify(path) == file) ::unlink(path.c_str());
  }

  void serve(int fd, int wake_fd);
  std::string answer(const std::string& line);

  const Handler handler;
  const Limits limits;
  const std::filesystem::path path;
  const std::string name;
  FileId file;
  std::optional<util::ConnectionServer> connections;
};

std::string Server::State::answer(const std::string& line) {
  try {
    std::string reply = handler(parse_request(line));
    // One reply is one line, and no longer than the client takes.
    if (reply.size() > kMaxReplyBytes || reply.find('\n') != std::string::npos)
      return error_reply("reply: send: longer than one line may be");
    return reply;
  } catch (const util::Error& error) {
    return error_reply(error.message());
  } catch (const std::exception& error) {
    return error_reply(util::concat("internal error: ", std::string_view(error.what())));
  }
}

void Server::State::serve(int fd, int wake_fd) {
  LineReader reader(fd, kMaxRequestBytes, wake_fd, name);
  for (bool is_first = true;; is_first = false) {
    // The time of a request counts from its first byte, on a connection that is kept.
    if (!is_first && !wait_ready(fd, POLLIN, steady_clock::now() + kIdleTimeout, wake_fd, name))
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
