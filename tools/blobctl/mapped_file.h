// SPDX-License-Identifier: Apache-2.0
//
// A whole file as read-only memory.  For files that nobody makes shorter meanwhile.
#pragma once

#include <cstddef>
#include <filesystem>

#include "util/bytes.h"

namespace ondemand::blobctl {

class MappedFile {
 public:
  // Throws kNotFound, kIo.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  util::Bytes bytes() const { return bytes_; }

 private:
  util::Bytes bytes_;
};

}  // namespace ondemand::blobctl
