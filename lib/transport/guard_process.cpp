// SPDX-License-Identifier: Apache-2.0
#include "transport/guard_process.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <thread>

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

// True when SIGUSR1 has arrived.
bool is_told_to_go() {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR1);
  const timespec now{0, 0};
  return ::sigtimedwait(&wanted, nullptr, &now) == SIGUSR1;
}

}  // namespace

util::Fd lock_guard_file(const std::filesystem::path& root) {
  const std::filesystem::path path = guard_file(root);
  util::Fd fd = util::open_file(path, O_RDWR | O_CREAT, 0600);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    throw util::Error(util::ErrorCode::kUnavailable,
                      util::printable(path.native()) + ": lock: another guard holds it");
  }
  const std::string text = util::concat(::getpid(), "\n");
  if (::ftruncate(fd.get(), 0) != 0)
    throw util::errno_error(util::printable(path.native()), "truncate", errno);
  util::pwrite_full(fd.get(), util::as_bytes(text), 0, util::printable(path.native()));
  return fd;
}

void run_guard(const std::filesystem::path& root, const FanotifyGroup& group, Journal& journal) {
  Guard guard(group, journal);
  guard.answer_outstanding();
  std::vector<std::filesystem::path> files = incomplete_files(root);
  auto next_look = Clock::now() + std::chrono::seconds(1);
  while (!is_told_to_go()) {
    guard.step(100);
    if (Clock::now() < next_look) continue;
    files = files_in_use(files);
    if (files.empty()) break;
    next_look = Clock::now() + std::chrono::seconds(1);
  }
  guard.retire();
}

int guard_pid(const std::filesystem::path& root) {
  try {
    const util::Fd fd = util::open_file(guard_file(root), O_RDONLY);
    if (::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return 0;
    util::Buffer text(32);
    text.resize(util::pread_some(fd.get(), text, 0, "guard file"));
    const std::string_view digits = util::as_text(text);
    const auto pid = util::parse_u64(digits.substr(0, digits.find('\n')));
    return pid && *pid > 1 && *pid < (1U << 22) ? static_cast<int>(*pid) : 0;
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
