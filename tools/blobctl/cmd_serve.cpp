// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_serve.h"

#include <pthread.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>
#include <ostream>

#include "blobctl/store_server.h"
#include "http/server.h"
#include "store/store.h"

namespace ondemand::blobctl {
namespace {

// Blocks the signals that end the server, so that every thread started from here on leaves them
// to wait(); puts the mask back at the end.
class EndSignals {
 public:
  EndSignals() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGTERM);
    ::sigaddset(&set_, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~EndSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;

  void wait() const {
    int signal = 0;
    ::sigwait(&set_, &signal);
  }

 private:
  sigset_t set_{};
  sigset_t before_{};
};

Action define(CLI::App& app) {
  auto options = std::make_shared<ServeOptions>();
  app.add_option("STORE", options->store, "Directory of the store (an OCI image layout)")
      ->required();
  app.add_option("--listen", options->listen,
                 "Address HOST:PORT to listen on; port 0 = any free one")
      ->type_name("ADDR")
      ->capture_default_str();
  return [options](cli::Io& io) { return run_serve(*options, io); };
}

}  // namespace

int run_serve(const ServeOptions& options, cli::Io& io) {
  const auto address = http::parse_listen_address(options.listen);
  const auto store = store::Store::open(options.store);
  const EndSignals signals;
  const http::Server server(address, [&store](const http::ServerRequest& request) {
    return answer_from_store(store, request);
  });
  io.err << "listening on " << server.url() << std::endl;
  if (address.port == 0) io.out << server.url() << std::endl;
  signals.wait();
  return 0;
}

const Command kServeCommand{"serve", "Serve a store over HTTP, read-only", define};

}  // namespace ondemand::blobctl
