// SPDX-License-Identifier: Apache-2.0
//
// Processes that share one table of descriptors but no memory: what one opens, the others have
// under the same number, and it stays when one dies.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <vector>

#include "util/fd.h"

namespace ondemand::transport {

// Like fork(2), with the descriptor table shared.  0 in the child.  The kernel writes the child's
// number to `pid_out` (in shared memory) before the child runs, so that it is known even if the
// parent is killed meanwhile.  `pidfd_out` is set in the parent: readable when the child has ended.
// The caller has one thread.  Throws kIo, and then there is no child.
pid_t clone_sharing_files(std::atomic<int>& pid_out, util::Fd& pidfd_out);

// Readable when the process has ended.  Not open when there is no such process.  Throws kIo.
util::Fd open_pidfd(pid_t pid);

// An eventfd(2) that does not block.  Throws kIo.
util::Fd make_event();
// Makes it readable, and no longer readable.
void raise(const util::Fd& event);
void lower(const util::Fd& event);

// Numbers of all descriptors of this process, ascending.  Throws kIo.
std::vector<int> open_descriptors();

// Closes every descriptor that is not in `keep`.  Opens none for it.  Where a filter of system
// calls refuses close_range(2), those below the limit of descriptors, or 65,536, but not above a
// million.
void close_all_except(std::vector<int> keep);

// Makes /dev/null of them: whoever reads our standard output must see its end when demandd ends.  A
// log file or the socket of the journal stays.  Throws kIo.
void leave_standard_streams();

// Blocks the signals that end or stop a daemon (TERM, INT, HUP, QUIT, USR1) and those that a
// daemon has no use for (IO, PIPE); children inherit that.  Returns a descriptor that reads the
// first four, for whichever process reads it.  Throws kIo.
util::Fd block_signals();
// The next signal of those, 0 when there is none.
int take_signal(int signal_fd);

}  // namespace ondemand::transport
