// SPDX-License-Identifier: Apache-2.0
//
// Notices images that are prepared while demandd runs.
#pragma once

#include <filesystem>

#include "util/fd.h"

namespace ondemand::demandd {

// Thread: one user at a time.
class ImageWatch {
 public:
  // Watches a directory for names that appear.  Throws kIo; kNotFound when it does not exist.
  explicit ImageWatch(const std::filesystem::path& directory);

  // Readable when something appeared.
  int fd() const { return fd_.get(); }
  // Takes note of everything that appeared so far.
  void drain();

 private:
  util::Fd fd_;
};

}  // namespace ondemand::demandd
