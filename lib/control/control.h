// SPDX-License-Identifier: Apache-2.0
//
// The conversation between blobctl and a running demandd: a Unix stream socket at
// <cache root>/demandd.sock (mode 0600), one JSON object a line in each direction.
//
//   request  {"op":"ping"} | {"op":"register","image":"sha256:..."} | {"op":"status"}
//   reply    {"ok":true, ...} | {"ok":false,"error":"object: action: reason"}
//
// "ping" is answered with the transport, whatever the number of images and files; "status" grows
// with it.  "register" answers only after every incomplete blob of the image is watched, and with
// the transport through which it is: {"ok":true,"transport":"fanotify"}.  A mount of that kind made
// after the reply cannot read a hole unnoticed (doc/ARCHITECTURE.md, invariant 2).
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hash/digest.h"

namespace ondemand::control {

// Longest lines; a longer request ends the connection.  The reply to "status" has some 300 bytes
// for each file that is watched: enough for 200,000.
inline constexpr std::size_t kMaxRequestBytes = 1024 * 1024;
inline constexpr std::size_t kMaxReplyBytes = 64 * 1024 * 1024;

std::filesystem::path socket_path(const std::filesystem::path& cache_root);

// Client: one request, one reply.  nullopt: no daemon listens there.  Throws kTimeout, kIo,
// kCorrupt, and kUnavailable with the daemon's own words when it answers ok=false.
// Returns the reply line (a JSON object).
std::optional<std::string> call(const std::filesystem::path& cache_root,
                                std::string_view request_json, std::chrono::milliseconds timeout);
// The transport that a reply of call() names; empty when it names none.
std::string transport_in(std::string_view reply_json);
// call() with {"op":"register"}.  Returns transport_in() the reply; nullopt: no daemon.
std::optional<std::string> register_image(const std::filesystem::path& cache_root,
                                          const hash::Digest& manifest,
                                          std::chrono::milliseconds timeout);

// What a request asks for.  `image` is empty where the operation names none.
struct Request {
  std::string op;
  std::string image;
};
// Throws kCorrupt for anything but a JSON object with a text "op".
Request parse_request(std::string_view request_json);
// {"op":...} or {"op":...,"image":...}
std::string to_json(const Request& request);
// {"ok":true} with the members of `result`, the text of a JSON object, behind it.  The text is not
// looked at: it may be large, and it is the daemon's own.
std::string ok_reply(std::string_view result = "{}");
// {"ok":false,"error":message}; bytes that are not UTF-8 are replaced.
std::string error_reply(std::string_view message);

// Server: answers on threads of its own until destroyed.  The handler gets a request and
// returns the reply line; what it throws becomes an ok=false reply.  A malformed or overlong
// request never gets to the handler, nor ends the server.
class Server {
 public:
  using Handler = std::function<std::string(const Request&)>;
  struct Limits {
    std::size_t connections = 32;                    // more wait in the kernel's queue
    std::chrono::milliseconds line_timeout{10'000};  // for a whole request, and for a reply
  };
  // Replaces a stale socket of a dead daemon; throws kIo when the address cannot be had.
  Server(const std::filesystem::path& cache_root, Handler handler);
  Server(const std::filesystem::path& cache_root, Handler handler, Limits limits);
  // Lets handlers that run come to their end; removes the socket.
  ~Server();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ondemand::control
