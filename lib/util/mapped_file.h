// SPDX-License-Identifier: Apache-2.0
//
// A whole file mapped read-only into memory.  For files that only we write (staged or verified
// ones): one that another process truncates meanwhile would end this one with SIGBUS, unless
// something takes that signal (tools/blobctl/cut_guard.h).
#pragma once

#include <string_view>

#include "util/bytes.h"

namespace ondemand::util {

class MappedFile {
 public:
  // The descriptor may be closed afterwards.  Throws kIo.
  MappedFile(int fd, std::string_view name);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  Bytes bytes() const { return bytes_; }
  // Lets go of the memory that reading took; the file's own pages stay with the kernel, and the
  // next access maps them again.  A reader of a whole file calls it now and then, so that the
  // file's size does not become its own.
  void release_pages() const;

 private:
  Bytes bytes_;
};

}  // namespace ondemand::util
