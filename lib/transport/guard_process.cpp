// SPDX-License-Identifier: Apache-2.0
#include "transport/guard_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <exception>
#include <optional>
#include <thread>
#include <vector>

#include "transport/guard.h"
#include "transport/in_use.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::transport {

namespace {

using Clock = std::chrono::steady_clock;

std::filesystem::path guard_file(const std::filesystem::path& root) {
  return root / "demandd.guard";
}

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// True when SIGUSR1 has arrived.
bool is_told_to_go() {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR1);
  const timespec now{0, 0};
  return ::sigtimedwait(&wanted, nullptr, &now) == SIGUSR1;
}

// What the guard is there for.
class GuardedFiles {
 public:
  explicit GuardedFiles(std::filesystem::path root) : root_(std::move(root)) { is_in_use(); }

  // True as long as that cannot be told.
  bool is_in_use() {
    try {
      if (!files_) files_ = incomplete_files(root_);
      return !files_in_use(*files_).empty();
    } catch (const std::exception&) {
      return true;
    }
  }

 private:
  const std::filesystem::path root_;
  // All of them for good: one that nobody uses now may be mounted again.
  std::optional<std::vector<std::filesystem::path>> files_;
};

}  // namespace

void make_guard_file(const std::filesystem::path& root) {
  util::open_file(guard_file(root), O_RDWR | O_CREAT, 0600);
}

util::Fd lock_guard_file(const std::filesystem::path& root) {
  const std::filesystem::path path = guard_file(root);
  util::Fd fd = util::open_file(path, O_RDWR | O_CREAT, 0600);
  // Of this kind, since the kernel tells who holds it: a full disk would not take our number.
  struct flock lock = whole_file();
  if (::fcntl(fd.get(), F_SETLK, &lock) != 0) {
    throw util::Error(util::ErrorCode::kUnavailable,
                      util::printable(path.native()) + ": lock: another guard holds it");
  }
  return fd;
}

void run_guard(const std::filesystem::path& root, const FanotifyGroup& group, Journal& journal,
               util::Log& log) {
  Guard guard(group, journal);
  guard.answer_outstanding();
  GuardedFiles files(root);
  std::uint64_t told = 0;
  auto next_line = Clock::now();
  auto next_look = Clock::now() + std::chrono::seconds(1);
  while (!is_told_to_go()) {
    guard.step(100);
    if (guard.refused() > told && Clock::now() >= next_line) {
      log.warning("guard refuses reads of missing data until demandd starts again",
                  {{"refused", guard.refused() - told}, {"guard_pid", ::getpid()}});
      told = guard.refused();
      next_line = Clock::now() + std::chrono::seconds(10);
    }
    if (Clock::now() < next_look) continue;
    if (!files.is_in_use()) break;
    next_look = Clock::now() + std::chrono::seconds(1);
  }
  guard.retire();
}

int guard_pid(const std::filesystem::path& root) {
  try {
    const util::Fd fd = util::open_file(guard_file(root), O_RDONLY);
    struct flock lock = whole_file();
    if (::fcntl(fd.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return 0;
    return lock.l_pid > 1 ? static_cast<int>(lock.l_pid) : 0;
  } catch (const util::Error&) {
    return 0;
  }
}

void release_guard(const std::filesystem::path& root, util::Log& log) {
  const int pid = guard_pid(root);
  if (pid == 0) return;
  log.info("taking over from a guard", {{"pid", pid}});
  ::kill(pid, SIGUSR1);
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (guard_pid(root) == pid) {
    if (Clock::now() >= deadline) {
      throw util::Error(util::ErrorCode::kTimeout,
                        util::concat("guard ", pid, ": end: it does not go"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace ondemand::transport
