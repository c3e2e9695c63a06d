// SPDX-License-Identifier: Apache-2.0
//
// Private to this module: the HTTP conversation on one accepted connection.
#pragma once

#include <memory>

#include "http/server.h"

namespace ondemand::http {

class ServerProtocol {
 public:
  ServerProtocol(Server::Handler handler, ServerOptions options);
  ~ServerProtocol();

  // Answers requests until the client or `wake_fd` ends it.  `is_crowded` tells whether others
  // wait for a thread: then the connection is not kept.  Thread: any number at once.
  void serve(int fd, int wake_fd, const std::function<bool()>& is_crowded);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ondemand::http
