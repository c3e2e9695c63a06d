// SPDX-License-Identifier: Apache-2.0
//
// One fanotify group of the pre-content class: marks, events, answers.
//
// The kernel finds the event that an answer is for by the number of its descriptor alone, so any
// process that holds the group can answer for another (doc/KERNEL.md 4.6).  When the last
// reference to a group goes, the kernel lets every waiting reader through: holes become zeros.
// Thread: every member may be called from many threads at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "util/bytes.h"
#include "util/fd.h"

namespace ondemand::transport {

class FanotifyGroup {
 public:
  // Throws kUnsupported, saying what is missing: a right, or a kernel that has the class.
  static FanotifyGroup open();

  int fd() const { return fd_.get(); }

  // From now on a read of a file through descriptions opened later raises an event.  Borrows the
  // descriptor.  Throws kUnsupported when kernel or file system cannot, else kIo.
  void mark(int file, std::string_view name) const;
  // The opposite.  Events that wait already stay.  A file without a mark is fine.
  void unmark(int file) const;
  void unmark_all() const;

  // Whole events, as many as there are and fit; 0 when there are none.  Throws kIo.
  std::size_t read(util::MutableBytes out) const;
  // Waits for an event; false after the time.  Unit: milliseconds, -1 = for ever.
  bool wait(int timeout_ms) const;

  // False when nobody waits for that number any more (answered before, or killed).  Throws kIo.
  bool respond(int event_fd, std::uint32_t response) const;

 private:
  explicit FanotifyGroup(util::Fd fd) : fd_(std::move(fd)) {}
  util::Fd fd_;
};

// Marks a temporary file in `directory` and takes it away again.  Throws kUnsupported, naming the
// kernel release, or the directory and its type of file system: whichever cannot.
void check_pre_content_support(const FanotifyGroup& group, const std::string& directory);

}  // namespace ondemand::transport
