// SPDX-License-Identifier: Apache-2.0
#include "transport/fanotify_survival.h"

#include "transport/guard_process.h"
#include "transport/in_use.h"

namespace ondemand::transport {

bool FanotifySurvival::needs_guard() {
  const auto used = files_in_use(incomplete_files(root_));
  if (used.empty()) return false;
  log_.info("images with missing data are in use", {{"files", used.size()}});
  return true;
}

void FanotifySurvival::prepare_guard() {
  guard_lock_ = lock_guard_file(root_);
}

void FanotifySurvival::run_guard() {
  transport::run_guard(root_, group_, journal_, log_);
}

}  // namespace ondemand::transport
