// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cut_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "util/error.h"

namespace ondemand::blobctl {

namespace {

std::atomic<bool> has_met{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler sets it
struct sigaction previous;
std::uintptr_t page_size;

// A page of zeros in the place of the one that has no file behind it any more.
void put_zeros(int, siginfo_t* info, void*) {
  const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(info->si_addr) & ~(page_size - 1);
  const bool is_cut = info->si_code == BUS_ADRERR;
  if (!is_cut || ::mmap(reinterpret_cast<void*>(at), page_size, PROT_READ,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
    ::signal(SIGBUS, SIG_DFL);  // and the access, made again, ends the process
    return;
  }
  has_met = true;
}

}  // namespace

CutGuard::CutGuard() {
  has_met = false;
  page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = put_zeros;
  action.sa_flags = SA_SIGINFO;
  if (::sigaction(SIGBUS, &action, &previous) != 0)
    throw util::errno_error("SIGBUS", "handle", errno);
}

CutGuard::~CutGuard() {
  ::sigaction(SIGBUS, &previous, nullptr);
}

bool CutGuard::has_met_cut() const {
  return has_met;
}

}  // namespace ondemand::blobctl
