// SPDX-License-Identifier: Apache-2.0
//
// The guard as a process of its own: what stays behind when demandd ends while images with missing
// data are still in use.
//
// It holds <root>/demandd.guard locked, its number inside, and goes when no incomplete file is in
// use any more, or when a new demandd that watches the same files says so (SIGUSR1).  It takes no
// other signal, since every other end of it would turn holes into zeros.
#pragma once

#include <filesystem>

#include "transport/fanotify_group.h"
#include "transport/journal.h"
#include "util/log.h"

namespace ondemand::transport {

// Takes the lock of the guard.  Throws kUnavailable when another guard holds it.
util::Fd lock_guard_file(const std::filesystem::path& root);

// Runs until the guard may go.  Call block_signals() before.
void run_guard(const std::filesystem::path& root, const FanotifyGroup& group, Journal& journal);

// Number of the process that guards the cache now; 0 when there is none.
int guard_pid(const std::filesystem::path& root);

// Sends a guard away, if there is one, and waits until it has gone.  The caller watches
// everything by now.  Throws kTimeout.
void release_guard(const std::filesystem::path& root, util::Log& log);

}  // namespace ondemand::transport
