// SPDX-License-Identifier: Apache-2.0
//
// blobctl serve STORE: a read-only HTTP server of a store, until SIGTERM or SIGINT.
#pragma once

#include <string>

#include "blobctl/command.h"

namespace ondemand::blobctl {

struct ServeOptions {
  std::string store;
  std::string listen = "127.0.0.1:8000";  // host:port, port 0 = any free one
};

// The URL goes to io.err, and with port 0 to io.out too, so that scripts can read it.
int run_serve(const ServeOptions& options, cli::Io& io);

extern const Command kServeCommand;

}  // namespace ondemand::blobctl
