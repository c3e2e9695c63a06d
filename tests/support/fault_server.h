// SPDX-License-Identifier: Apache-2.0
//
// A web server that does wrong things on purpose: it works on raw sockets, so that a test decides
// about every byte and every silence.  Nothing it does lasts longer than the server.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ondemand::test {

// The connection that a request came on.  Thread: the handler's.
class FaultConnection {
 public:
  FaultConnection(int fd, int stop_fd) : fd_(fd), stop_fd_(stop_fd) {}

  // False when the peer is gone (then the script may as well end).
  bool send(std::string_view bytes);
  // Returns when the peer's kernel has all that was sent.
  void flush();
  // Nothing more is sent; returns when the peer closes or the server ends.
  void hold();
  // Like hold(), but for at most so long.  False when the wait ended early.
  bool pause(int milliseconds);
  void close() { is_open_ = false; }
  void reset();  // close with RST
  bool is_open() const { return is_open_; }

 private:
  int fd_;
  int stop_fd_;
  bool is_open_ = true;
};

class FaultServer {
 public:
  // Gets the request line and header fields, up to and with the empty line.
  using Handler = std::function<void(FaultConnection& connection, const std::string& head)>;

  explicit FaultServer(Handler handler);
  ~FaultServer();

  std::string url() const;  // "http://127.0.0.1:port"
  int requests() const;
  int connections() const;
  std::vector<std::string> heads() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// "GET /a/b HTTP/1.1..." -> "/a/b"
std::string request_target(const std::string& head);
// A whole answer: "HTTP/1.1 <status>", the fields given (each "Name: value"), Content-Length, body.
std::string http_answer(std::string_view status, std::string_view body,
                        const std::vector<std::string>& fields = {});

// An address on which nothing listens.
std::string refused_url();

}  // namespace ondemand::test
