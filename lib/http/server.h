// SPDX-License-Identifier: Apache-2.0
//
// A read-only HTTP/1.1 server: GET and HEAD of whole or partial files and small texts, for many
// kept-alive connections at once.  One thread a connection, bounded; a silent or slow client costs
// one of them for a bounded time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/headers.h"
#include "http/socket.h"
#include "util/fd.h"
#include "util/units.h"

namespace ondemand::http {

struct ServerRequest {
  std::string method;
  std::string path;  // as sent: percent-encoded, without query
  Headers headers;
};

struct ServerResponse {
  int status = 200;
  Headers headers;  // besides Content-Length and Content-Type, which follow from the rest
  std::string content_type;
  std::string body;  // when there is no file
  // Streamed from `file` at `range` (which must lie inside it); nothing is read for a HEAD.
  std::optional<util::Fd> file;
  util::ByteRange range;
};

struct ServerOptions {
  std::size_t max_connections = 256;
  std::chrono::milliseconds idle_timeout{15'000};  // between two requests of a connection
  // Longest time in which less than 16 KiB of a request's header or of an answer pass.
  std::chrono::milliseconds stall_timeout{30'000};
};

class Server {
 public:
  // Called on many threads at once; a thrown exception becomes a 500 without details.
  using Handler = std::function<ServerResponse(const ServerRequest&)>;

  // Listens and answers from now on.  Throws kIo when the address cannot be had.
  Server(const ListenAddress& address, Handler handler, ServerOptions options = {});
  // Ends at once: what is being sent is cut off.  Joins all threads.
  ~Server();

  std::uint16_t port() const;  // the bound one
  std::string url() const;     // "http://host:port"

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ondemand::http
