// SPDX-License-Identifier: Apache-2.0
//
// The guard as a process of its own: what stays behind when demandd ends while images with missing
// data are still in use.
//
// It holds a lock on <root>/demandd.guard, whose owner the kernel tells, and goes when no
// incomplete file is in use any more, or when a new demandd that watches the same files says so
// (SIGUSR1).  It takes no other signal, since every other end of it would turn holes into zeros.
#pragma once

#include <filesystem>

#include "transport/fanotify_group.h"
#include "transport/journal.h"
#include "util/log.h"

namespace ondemand::transport {

// Makes the file to lock, while there is room for it.  Throws kIo.
void make_guard_file(const std::filesystem::path& root);

// Takes the lock of the guard, which needs no room on the disk.  It belongs to this process and
// ends when it closes any descriptor of that file.  Throws kUnavailable when another guard holds
// it.
util::Fd lock_guard_file(const std::filesystem::path& root);

// Runs until the guard may go.  Call block_signals() before.
void run_guard(const std::filesystem::path& root, const FanotifyGroup& group, Journal& journal,
               util::Log& log);

// Number of the process that guards the cache now; 0 when there is none (or it is this one).
int guard_pid(const std::filesystem::path& root);

// Sends a guard away, if there is one, and waits until it has gone.  The caller watches
// everything by now.  Throws kTimeout.
void release_guard(const std::filesystem::path& root, util::Log& log);

}  // namespace ondemand::transport
