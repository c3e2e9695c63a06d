// SPDX-License-Identifier: Apache-2.0
//
// The life of demandd in its main process.
#pragma once

#include <filesystem>

#include "demandd/options.h"
#include "util/fd.h"

namespace ondemand::demandd {

// Runs until a signal ends it; returns the exit status.  Throws when it cannot begin.
int run_daemon(const Options& options);

// Says which kernel interfaces can serve the cache root (or the directory in which it would be
// made).  Makes nothing.  Throws kUnsupported, naming what is missing, when none can.
int check_system(const Options& options, cli::Io& io);

// Holds <root>/demandd.lock with our number in it.  Throws kUnavailable when another demandd
// serves this cache.
util::Fd lock_cache(const std::filesystem::path& root);

}  // namespace ondemand::demandd
