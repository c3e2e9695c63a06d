// SPDX-License-Identifier: Apache-2.0
#include "transport/fanotify_survival.h"

#include <exception>

#include "transport/guard_process.h"
#include "transport/in_use.h"

namespace ondemand::transport {

void FanotifySurvival::relieve_guard() {
  if (guard_pid(root_) == 0) return;
  relieved_.add();  // before: it may go whatever becomes of us then
  release_guard(root_, log_);
}

bool FanotifySurvival::needs_guard() {
  // There is one, which we did not come to send away.
  if (!has_relieved_guard() && guard_pid(root_) != 0) return false;
  std::size_t used = 0;
  try {
    used = files_in_use(incomplete_files(root_)).size();
  } catch (const std::exception& error) {
    log_.warning("not known whether images with missing data are in use",
                 {{"reason", error.what()}});
    return true;
  }
  if (used > 0) log_.info("images with missing data are in use", {{"files", used}});
  return used > 0;
}

void FanotifySurvival::prepare_guard() {
  guard_lock_ = lock_guard_file(root_);
}

void FanotifySurvival::run_guard() {
  transport::run_guard(root_, group_, journal_, log_);
}

}  // namespace ondemand::transport
