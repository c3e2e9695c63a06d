// SPDX-License-Identifier: Apache-2.0
//
// One kernel interface as demandd uses it: what the main process opens, what its workers make of
// it, and what lets readers outlive them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cache/cache_root.h"
#include "cli/io.h"
#include "serve/engine.h"
#include "transport/survival.h"
#include "transport/transport.h"
#include "util/log.h"

namespace ondemand::demandd {

class KernelSide {
 public:
  virtual ~KernelSide() = default;
  virtual std::string_view name() const = 0;

  // In the main process, after the cache root was made and locked: takes it into service, or finds
  // out that it cannot be.  Throws what a person must know, with the remedy.
  virtual void begin() = 0;
  // After begin(), before any worker.
  virtual transport::Survival& survival() = 0;

  // In a worker.  Borrows the engine.
  virtual std::unique_ptr<transport::Transport> make_transport(serve::Engine& engine) = 0;
  // In a worker: the transport's dead_fd() has become readable.
  virtual void note_dead() {}
  // Reads would be answered with zeros if nobody stayed behind (guard_process.h).
  virtual bool needs_guards() const { return false; }
  // In a worker that watches and answers everything: whoever did that before may go.
  virtual void relieve_guard() {}
};

// What a kernel side is opened with.  Borrows root and log.
struct KernelSideWorld {
  const cache::CacheRoot& root;
  util::Log& log;
  std::size_t max_waiting = 256;  // readers that may wait at once
  // The user has named this interface: what the cache lacks for it is put right.
  bool is_explicit = false;
};

// Throw kNotFound, kUnsupported, kUnavailable when this kernel, or our rights, do not allow it.
// Nothing is made on the disk.
std::unique_ptr<KernelSide> open_fanotify_side(const KernelSideWorld& world);
std::unique_ptr<KernelSide> open_cachefiles_demand_side(const KernelSideWorld& world);
std::unique_ptr<KernelSide> open_cachefiles_side(const KernelSideWorld& world);

// "auto", "cachefiles-demand", "fanotify" or "cachefiles" -> the first of those that works, begun.
// `prepare` makes and locks the cache root; it is called once, when there is hope.  Throws the
// error of the one that was named, or one error with the reasons of all.
std::unique_ptr<KernelSide> choose_kernel_side(const std::string& transport,
                                               const KernelSideWorld& world,
                                               const std::function<void()>& prepare);

// Says on io.out which of them could serve that cache, one a line, and which of them would be
// taken.  Makes nothing.  Throws kUnsupported when none can.
void report_kernel_sides(const std::string& transport, const KernelSideWorld& world, cli::Io& io);

// For each interface: "ready", or what only begin() tells.  What they throw is why not.
std::string check_fanotify(const KernelSideWorld& world);
std::string check_cachefiles_demand(const KernelSideWorld& world);
std::string check_cachefiles(const KernelSideWorld& world);

}  // namespace ondemand::demandd
