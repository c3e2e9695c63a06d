// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as what a client sends to our server on one connection.  The connection must end, and
// the server must not fall.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "http/server_protocol.h"
#include "util/fd.h"

using namespace ondemand;

namespace {

http::ServerResponse answer(const http::ServerRequest& request) {
  http::ServerResponse response;
  response.body = request.path;
  response.content_type = "text/plain";
  return response;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // More would wait in the socket's buffer for a server that waits for the answer to be read.
  constexpr std::size_t kMaxInput = 16384;
  static http::ServerProtocol protocol(answer, {});
  std::array<int, 2> pair{};
  std::array<int, 2> wake{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) return 0;
  const util::Fd client(pair[0]);
  const util::Fd server(pair[1]);
  if (::pipe2(wake.data(), O_CLOEXEC) != 0) return 0;
  const util::Fd wake_read(wake[0]);
  const util::Fd wake_write(wake[1]);
  if (::write(client.get(), data, size < kMaxInput ? size : kMaxInput) < 0) return 0;
  ::shutdown(client.get(), SHUT_WR);
  protocol.serve(server.get(), wake_read.get(), [] { return false; });
  return 0;
}
