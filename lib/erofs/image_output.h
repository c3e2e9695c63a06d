// SPDX-License-Identifier: Apache-2.0
//
// Forward output of an image whose first block is changed last (its superblock holds a digest and
// a checksum of what follows).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "chunk/extent.h"
#include "hash/sha256.h"
#include "util/bytes.h"

namespace ondemand::erofs {

class ImageOutput {
 public:
  ImageOutput(int fd, std::string_view name) : fd_(fd), name_(name) {}

  std::uint64_t position() const { return flushed_ + buffer_.size(); }
  void write(util::Bytes bytes);
  // Range: offset >= position().
  void zero_to(std::uint64_t offset);

  // Ends the forward output: everything but the first block is in the file.  Returns the digest
  // of all bytes.  Range: at least one block was written.
  hash::Digest finish();
  // The first block; write it with commit_first_block() after finish().
  util::MutableBytes first_block() { return first_block_; }
  void commit_first_block();

 private:
  void flush();

  int fd_;
  std::string name_;
  hash::Sha256 sha_;
  util::Buffer first_block_;
  util::Buffer buffer_;
  std::uint64_t flushed_ = 0;  // Unit: bytes
};

}  // namespace ondemand::erofs
