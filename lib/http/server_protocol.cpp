// SPDX-License-Identifier: Apache-2.0
#include "http/server_protocol.h"

#include <httplib.h>
#include <poll.h>

#include <algorithm>
#include <memory>

#include "http/socket_stream.h"
#include "util/error.h"

namespace ondemand::http {
namespace {

constexpr std::size_t kSendBytes = 256 * 1024;

// Streams `range` of a file; false (which breaks the connection off) when the file cannot be read.
bool send_file(int fd, std::uint64_t offset, std::uint64_t len, httplib::DataSink& sink) {
  std::vector<std::uint8_t> buffer(std::min<std::uint64_t>(len, kSendBytes));
  while (len > 0) {
    const std::size_t part = std::min<std::uint64_t>(len, buffer.size());
    try {
      util::pread_full(fd, {buffer.data(), part}, offset, "file");
    } catch (const util::Error&) {
      return false;  // the status line is out: a short body is the only way left to tell
    }
    if (!sink.write(reinterpret_cast<const char*>(buffer.data()), part)) return false;
    offset += part;
    len -= part;
  }
  return true;
}

}  // namespace

class ServerProtocol::Impl final : private httplib::Server {
 public:
  Impl(ondemand::http::Server::Handler handler, ServerOptions options)
      : handler_(std::move(handler)), options_(options) {
    // The library takes an invalid listening socket as "shutting down"; ours lives elsewhere.
    svr_sock_ = 0;
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      answer(request, response);
      return HandlerResponse::Handled;
    });
  }

  void serve(int fd, int wake_fd, const std::function<bool()>& is_crowded);

 private:
  void answer(const httplib::Request& request, httplib::Response& response) const;

  const ondemand::http::Server::Handler handler_;
  const ServerOptions options_;
};

void ServerProtocol::Impl::answer(const httplib::Request& request,
                                  httplib::Response& response) const {
  ServerRequest asked{request.method, request.target.substr(0, request.target.find('?')), {}};
  for (const auto& field : request.headers)
    asked.headers.add(field.first, field.second);
  ServerResponse reply;
  try {
    reply = handler_(asked);
  } catch (const std::exception&) {
    reply = ServerResponse();
    reply.status = 500;
    reply.content_type = "text/plain";
    reply.body = "internal error\n";
  }
  response.status = reply.status;
  for (const auto& field : reply.headers.fields())
    response.set_header(field.first, field.second);
  // A body that the client sends with its request is not read: the connection cannot go on.
  if (request.method != "GET" && request.method != "HEAD")
    response.set_header("Connection", "close");
  if (!reply.file || reply.range.empty()) {
    if (!reply.content_type.empty()) response.set_content(reply.body, reply.content_type);
    return;
  }
  auto file = std::make_shared<util::Fd>(std::move(*reply.file));
  response.set_content_provider(reply.range.len, reply.content_type,
                                [file, start = reply.range.offset](
                                    std::size_t offset, std::size_t len, httplib::DataSink& sink) {
                                  return send_file(file->get(), start + offset, len, sink);
                                });
}

void ServerProtocol::Impl::serve(int fd, int wake_fd, const std::function<bool()>& is_crowded) {
  bool is_understood = false;
  const auto setup = [&is_understood](httplib::Request& request) {
    is_understood = true;
    // Ranges are the handler's business, and stored bytes are never compressed on the way.
    request.ranges.clear();
    request.headers.erase("Accept-Encoding");
  };
  bool keep = true;
  while (keep) {
    const auto now = std::chrono::steady_clock::now();
    if (wait_for(fd, POLLIN, now + options_.idle_timeout, wake_fd) != Wait::kReady) return;
    SocketStream stream(fd, TimePoint::max(), options_.stall_timeout, wake_fd);
    stream.limit_reading(SocketStream::kMaxHeaderBytes);
    const bool close = is_crowded();
    bool is_closed = close;
    is_understood = false;
    const bool ok = process_request(stream, close, is_closed, setup);
    // After a request that was none it is not known where the next one begins.
    keep = ok && is_understood && !is_closed && !stream.has_unread() &&
           stream.failure() == SocketStream::Failure::kNone;
  }
}

ServerProtocol::ServerProtocol(Server::Handler handler, ServerOptions options)
    : impl_(std::make_unique<Impl>(std::move(handler), options)) {}
ServerProtocol::~ServerProtocol() = default;

void ServerProtocol::serve(int fd, int wake_fd, const std::function<bool()>& is_crowded) {
  impl_->serve(fd, wake_fd, is_crowded);
}

}  // namespace ondemand::http
