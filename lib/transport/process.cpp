// SPDX-License-Identifier: Apache-2.0
#include "transport/process.h"

#include <dirent.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::transport {

pid_t clone_sharing_files(std::atomic<int>& pid_out) {
  clone_args args{};
  args.flags = CLONE_FILES | CLONE_PARENT_SETTID;
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
  return static_cast<pid_t>(pid);
}

util::Fd open_pidfd(pid_t pid) {
  if (pid <= 0) return {};
  return util::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
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

void close_all_except(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  for (const int fd : open_descriptors())
    if (!std::binary_search(keep.begin(), keep.end(), fd)) ::close(fd);
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
