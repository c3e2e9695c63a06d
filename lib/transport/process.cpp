// SPDX-License-Identifier: Apache-2.0
#include "transport/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <memory>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::transport {

pid_t clone_sharing_files(std::atomic<int>& pid_out, util::Fd& pidfd_out) {
  clone_args args{};
  // The descriptor at once: a child that is there but could not be watched would be worse than
  // none.
  int pidfd = -1;
  args.flags = CLONE_FILES | CLONE_PARENT_SETTID | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.parent_tid = reinterpret_cast<std::uintptr_t>(&pid_out);
  // The C library remembers the thread's number where the kernel clears it at the end; a fork(2)
  // renews it there, so we do as well.
  std::uintptr_t tid_address = 0;
  if (::prctl(PR_GET_TID_ADDRESS, &tid_address) == 0 && tid_address != 0) {
    args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    args.child_tid = tid_address;
  }
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) throw util::errno_error("process", "clone", errno);
  if (pid > 0) pidfd_out = util::Fd(pidfd);
  return static_cast<pid_t>(pid);
}

util::Fd make_event() {
  util::Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw util::errno_error("eventfd", "open", errno);
  return fd;
}

void raise(const util::Fd& event) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(event.get(), &one, sizeof one);
}

void lower(const util::Fd& event) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(event.get(), &count, sizeof count);
}

util::Fd open_pidfd(pid_t pid) {
  if (pid <= 0) return {};
  util::Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  // EINVAL, ENOENT in newer kernels: the number is that of another's thread by now.
  if (!fd && errno != ESRCH && errno != EINVAL && errno != ENOENT)
    throw util::errno_error("process", "open descriptor", errno);
  return fd;
}

std::vector<int> open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
  if (!directory) throw util::errno_error("/proc/self/fd", "open", errno);
  std::vector<int> fds;
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto number = util::parse_u64(entry->d_name);
    if (number && static_cast<int>(*number) != ::dirfd(directory.get()))
      fds.push_back(static_cast<int>(*number));
  }
  std::sort(fds.begin(), fds.end());
  return fds;
}

namespace {

// [first, last], one by one.
void close_each(int first, int last) {
  // The limit may have been higher when a descriptor was opened.
  constexpr rlim_t kLeast = 1 << 16;
  constexpr rlim_t kMost = 1 << 20;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = kMost;
  last = std::min(last, static_cast<int>(std::clamp(limit.rlim_cur, kLeast, kMost)) - 1);
  for (int fd = first; fd <= last; ++fd)
    ::close(fd);
}

}  // namespace

void close_all_except(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  keep.push_back(INT_MAX);
  int first = 0;  // that is not known to be kept
  for (const int fd : keep) {
    if (fd > first && ::syscall(SYS_close_range, first, fd - 1, 0) != 0) close_each(first, fd - 1);
    first = fd == INT_MAX ? fd : std::max(first, fd + 1);
  }
}

void leave_standard_streams() {
  const util::Fd null = util::open_file("/dev/null", O_RDWR);
  struct stat status {};
  const bool is_log =
      ::fstat(STDERR_FILENO, &status) == 0 && (S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fd != STDERR_FILENO || !is_log) ::dup2(null.get(), fd);
}

util::Fd block_signals() {
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT})
    sigaddset(&blocked, signal);
  const int fd = ::signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) throw util::errno_error("signals", "open descriptor", errno);
  for (const int signal : {SIGUSR1, SIGIO, SIGPIPE})
    sigaddset(&blocked, signal);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  return util::Fd(fd);
}

int take_signal(int signal_fd) {
  signalfd_siginfo info{};
  if (::read(signal_fd, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return 0;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace ondemand::transport
