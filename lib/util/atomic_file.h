// SPDX-License-Identifier: Apache-2.0
//
// A file that appears under its final name complete or not at all: written under a temporary
// name, synced, renamed.  The destructor discards what was not committed.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "util/bytes.h"
#include "util/fd.h"

namespace ondemand::util {

enum class Durability {
  kSync,    // file and directory reach the disk before commit() returns
  kNoSync,  // left to the kernel: faster, and a power cut may lose the file (never half of it,
            // for readers that check digests)
};

class AtomicFile {
 public:
  // Creates "<directory>/.tmp-XXXXXX", readable and writable.  `directory` must exist and must be
  // on the file system of the final path.
  explicit AtomicFile(std::filesystem::path directory, mode_t mode = 0644);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }  // for messages

  // Puts the file at `final_path`, replacing what is there.  Throws kIo; then the file is
  // discarded.
  void commit(const std::filesystem::path& final_path, Durability durability);

 private:
  std::filesystem::path temporary_;
  std::string name_;
  Fd fd_;
};

// The common case: all bytes at hand.
void write_file_atomically(const std::filesystem::path& path, Bytes bytes, Durability durability,
                           mode_t mode = 0644);

}  // namespace ondemand::util
