// SPDX-License-Identifier: Apache-2.0
//
// A whole file mapped read-only into memory.  For files that only we write (staged or verified
// ones): a file that another process truncates meanwhile would end this one with SIGBUS.
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

 private:
  Bytes bytes_;
};

}  // namespace ondemand::util
