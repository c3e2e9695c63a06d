// SPDX-License-Identifier: Apache-2.0
#include "demandd/daemon.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "demandd/kernel_side.h"
#include "demandd/service_notify.h"
#include "demandd/worker.h"
#include "transport/supervisor.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::demandd {

using util::concat;

namespace {

// Each reader that waits holds a descriptor.  Returns how many may wait at once.
std::size_t raise_descriptor_limit() {
  constexpr rlim_t kWanted = 65536;
  constexpr rlim_t kForUs = 512;  // connections, backing files, the rest
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kWanted));
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t room = limit.rlim_cur > 4 * kForUs ? limit.rlim_cur / 2 : limit.rlim_cur / 4;
  return static_cast<std::size_t>(std::clamp<rlim_t>(room, 64, 8192));
}

// For people only, so a full disk is no reason to stop.  Always of the same length: written over,
// it needs no room.
void write_pid(int fd) noexcept {
  char text[16];
  const int len = std::snprintf(text, sizeof text, "%-10d\n", static_cast<int>(::getpid()));
  [[maybe_unused]] const ssize_t ignored = ::pwrite(fd, text, static_cast<std::size_t>(len), 0);
}

}  // namespace

util::Fd lock_cache(const std::filesystem::path& root) {
  const std::filesystem::path path = root / "demandd.lock";
  const std::string name = util::printable(path.native());
  util::Fd fd = util::open_file(path, O_RDWR | O_CREAT, 0600);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    util::Buffer text(32);
    text.resize(util::pread_some(fd.get(), text, 0, name));
    const std::string_view all = util::as_text(text);
    const std::string_view pid = all.substr(0, all.find_first_of(" \n"));
    throw util::Error(util::ErrorCode::kUnavailable,
                      concat(name, ": lock: another demandd serves this cache (process ",
                             util::printable(pid), ")"));
  }
  write_pid(fd.get());
  return fd;
}

int check_system(const Options& options, cli::Io& io) {
  util::Log log(options.log_level, util::Log::null_sink());
  const cache::CacheRoot root(std::filesystem::absolute(options.cache_root));
  std::error_code ignored;
  if (std::filesystem::exists(root.path(), ignored) &&
      !std::filesystem::is_directory(root.path(), ignored))
    throw util::Error(util::ErrorCode::kUsage,
                      util::printable(root.path().native()) + ": check: not a directory");
  report_kernel_sides(options.transport, {root, log}, io);
  return 0;
}

int run_daemon(const Options& options) {
  util::Log log(options.log_level, make_log_sink(options.log));
  open_sources(options);  // says now what is wrong with them; the worker has its own
  const cache::CacheRoot root(std::filesystem::absolute(options.cache_root));

  util::Fd lock;
  const std::unique_ptr<KernelSide> kernel =
      choose_kernel_side(options.transport, {root, log, raise_descriptor_limit()}, [&] {
        root.create();
        lock = lock_cache(root.path());
      });

  // From here on there are several processes; any one of them may die (supervisor.h).
  transport::SupervisorHooks hooks;
  hooks.run_worker = [&](int stop_fd, const std::function<void()>& ready) {
    return run_worker({options, root, *kernel, log}, stop_fd, ready);
  };
  hooks.on_ready = [&] { notify_service("READY=1"); };
  hooks.on_stopping = [&] {
    notify_service("STOPPING=1");
    log.info("ending: finishing what is under way");
  };
  hooks.on_take_over = [&] {
    write_pid(lock.get());
    notify_service(concat("MAINPID=", ::getpid()));
  };
  hooks.on_becoming_guard = [&] { ::flock(lock.get(), LOCK_UN); };
  hooks.on_guarded = [&](pid_t guard) {
    log.info(
        "ended; a guard refuses reads of missing data until those images are unmounted or "
        "demandd starts again",
        {{"guard_pid", guard}});
  };
  transport::Supervisor supervisor(kernel->survival(), std::move(hooks), log);
  return supervisor.run();
}

}  // namespace ondemand::demandd
