// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <optional>

#include "http/server_protocol.h"
#include "util/connection_server.h"

namespace ondemand::http {

struct Server::State {
  State(const ListenAddress& given, Handler handler, ServerOptions options)
      : protocol(std::move(handler), options), address(given) {
    util::Fd listener = listen_tcp(given);
    address.port = local_port(listener.get());
    connections.emplace(
        std::move(listener), options.max_connections,
        [this](const util::ConnectionServer& server, int fd) { serve(server, fd); });
  }

  void serve(const util::ConnectionServer& server, int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    protocol.serve(fd, server.wake_fd(), [&server] { return server.is_crowded(); });
  }

  ServerProtocol protocol;
  ListenAddress address;
  std::optional<util::ConnectionServer> connections;
};

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
