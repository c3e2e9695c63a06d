// SPDX-License-Identifier: Apache-2.0
//
// Where a large result of a command goes: standard output, or a file that appears when it is whole.
#pragma once

#include <functional>
#include <string>

#include "cli/io.h"
#include "util/stream.h"

namespace ondemand::blobctl {

// Calls `write` with the sink of `path` (empty: io.out).  A file that is not there yet, or a
// regular one, is replaced when `write` has returned, with the mode of the old one or what the
// umask leaves; into anything else (a pipe, a device) is written straight.  Throws kUsage when
// standard output is a terminal, kIo, what `write` throws.
void write_output(const std::string& path, cli::Io& io,
                  const std::function<void(util::ByteSink&)>& write);

}  // namespace ondemand::blobctl
