// SPDX-License-Identifier: Apache-2.0
//
// GET over HTTP/1.1 with a pool of kept-alive connections.  A request ends by its deadline
// whatever the peer does; memory does not grow with what the peer sends; the receiver of the body
// sees it as it comes and can stop it.
//
// Thread: every member of Client may be called from many threads at once; requests run in
// parallel, each on a connection of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "http/headers.h"
#include "http/socket.h"
#include "http/url.h"
#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::http {

struct Response {
  int status = 0;
  Headers headers;
  std::optional<std::uint64_t> content_length;
  std::optional<ContentRange> content_range;
  std::string url;             // for messages: where the answer came from, after redirects
  bool body_complete = false;  // false when the receiver stopped it

  // Media type without parameters, lower case; empty when there is none.
  std::string media_type() const;
};

// Takes one answer.  What it throws ends the request and reaches the caller.
class BodyReceiver {
 public:
  virtual ~BodyReceiver() = default;
  // Status and headers of the final answer (no redirect).  false: the body is not wanted.
  virtual bool begin(const Response& response) = 0;
  // Part of the body.  false: no more of it.
  virtual bool data(util::Bytes bytes) = 0;
};

// Collects a body of at most `limit` bytes when the status is 200; a longer one throws kTooLarge.
class TextReceiver : public BodyReceiver {
 public:
  explicit TextReceiver(std::size_t limit) : limit_(limit) {}
  bool begin(const Response& response) override;
  bool data(util::Bytes bytes) override;
  std::string text;

 private:
  std::size_t limit_;
  std::string url_;
};

struct GetRequest {
  std::string target;  // "/path[?query]", percent-encoded
  Headers headers;
  std::optional<util::ByteRange> range;  // Range: len > 0; sent as one "bytes=first-last"
  TimePoint deadline = TimePoint::max();
  // Longest time in which less than 16 KiB arrive.
  std::chrono::milliseconds stall_timeout{30'000};
};

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  std::size_t max_idle_connections = 64;  // kept for each origin
  int max_redirects = 5;
};

class Client {
 public:
  explicit Client(const Url& origin, ClientOptions options = {});
  ~Client();

  // Follows redirects (plain http only).  A kept-alive connection that the server had closed is
  // replaced once by a fresh one.  Throws kUnavailable (no connection, broken off, not HTTP, bad
  // redirect), kTimeout (deadline or stall), kUnsupported (redirect to https); any status is an
  // answer.
  Response get(const GetRequest& request, BodyReceiver& receiver);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ondemand::http
