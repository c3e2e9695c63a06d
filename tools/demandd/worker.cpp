// SPDX-License-Identifier: Apache-2.0
#include "demandd/worker.h"

#include <poll.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "control/control.h"
#include "demandd/image_registrar.h"
#include "demandd/image_watch.h"
#include "demandd/status_json.h"
#include "serve/engine.h"
#include "transport/guard_process.h"
#include "util/error.h"

namespace ondemand::demandd {

namespace {

using util::Error;
using util::ErrorCode;

// How long fetches under way may go on after the end was asked for.
constexpr std::chrono::seconds kDrainTime{10};

struct Worker {
  Worker(const WorkerWorld& w, const serve::EngineOptions& engine_options)
      : world(w),
        engine(open_sources(w.options), engine_options, w.log),
        transport(w.kernel.make_transport(engine)),
        registrar(w.root, *transport, w.log) {}

  Status status() const {
    return {std::string(transport->name()), static_cast<int>(::getpid()), registrar.images(),
            transport->counters(),          transport->files(),           engine.stats()};
  }

  const WorkerWorld& world;
  serve::Engine engine;
  std::unique_ptr<transport::Transport> transport;
  ImageRegistrar registrar;
};

// One request of the control socket; what this throws becomes an ok=false reply.
std::string answer_control(Worker& worker, const control::Request& request) {
  if (request.op == "status") return control::ok_reply(status_json(worker.status()));
  if (request.op == "register") {
    const auto digest = hash::Digest::parse(request.image);
    if (!digest) throw Error(ErrorCode::kCorrupt, "request: parse: \"image\" is no digest");
    worker.registrar.add(*digest);
  } else if (request.op != "ping") {
    throw Error(ErrorCode::kUnsupported, "request: unknown op " + util::printable(request.op));
  }
  return control::ok_reply(nlohmann::json{{"transport", worker.transport->name()}}.dump());
}

// True when the end was asked for, false when the kernel's side has died.
bool wait_for_end(Worker& worker, ImageWatch& images, int stop_fd) {
  for (;;) {
    pollfd polls[3] = {
        {stop_fd, POLLIN, 0}, {images.fd(), POLLIN, 0}, {worker.transport->dead_fd(), POLLIN, 0}};
    if (::poll(polls, 3, -1) < 0) continue;
    if ((polls[0].revents & POLLIN) != 0) return true;
    if ((polls[2].revents & POLLIN) != 0) return false;
    if ((polls[1].revents & POLLIN) == 0) continue;
    images.drain();
    try {
      worker.registrar.add_all();
    } catch (const Error& error) {
      worker.world.log.error("prepared images not readable", {{"reason", error.message()}});
    }
  }
}

}  // namespace

int run_worker(const WorkerWorld& world, int stop_fd, const std::function<void()>& ready) {
  serve::EngineOptions engine_options;
  engine_options.request_timeout = world.options.request_timeout;
  // Never destroyed: that would wait for threads that wait for a slow origin.
  Worker& worker = *std::make_unique<Worker>(world, engine_options).release();

  // Before the first look, so that no image falls between the look and the watch.
  ImageWatch images(world.root.images_directory());
  worker.registrar.add_all();
  if (world.kernel.needs_guards() && transport::guard_pid(world.root.path()) != 0)
    worker.registrar.add_strays();
  worker.transport->start();
  world.kernel.relieve_guard();
  auto control = std::make_unique<control::Server>(
      world.root.path(),
      [&](const control::Request& request) { return answer_control(worker, request); });
  world.log.info("ready", {{"cache", world.root.path().native()},
                           {"transport", worker.transport->name()},
                           {"images", worker.registrar.images()},
                           {"pid", ::getpid()}});
  ready();

  const bool is_asked = wait_for_end(worker, images, stop_fd);
  if (!is_asked) world.kernel.note_dead();
  control.reset();
  worker.transport->stop(kDrainTime);
  log_status(worker.status(), world.log);
  return is_asked ? 0 : 1;
}

}  // namespace ondemand::demandd
