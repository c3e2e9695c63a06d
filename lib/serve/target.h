// SPDX-License-Identifier: Apache-2.0
//
// The thing that is filled: the backing file of one blob, as its transport reaches it.
//
// Targets that are submitted for one blob may lead to the same backing file, or to files of
// several volumes: a frame is fetched once and written to each that lacks it.
// Thread: every member may be called from many threads at once.
#pragma once

#include <string>
#include <vector>

#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::serve {

// Unit of presence in a backing file: what is written is whole blocks of the kernel view.
// Source: EROFS blocks are 4,096 bytes in every image that we serve.
inline constexpr std::uint64_t kBlockBytes = 4096;

class Target {
 public:
  virtual ~Target() = default;

  // For messages and logs.
  virtual const std::string& name() const = 0;

  // The parts of `range` that are not present, sorted, not empty, not touching.  Bytes that are
  // being written at this moment count as missing.  Range: inside the file.  Throws kIo.
  virtual std::vector<util::ByteRange> missing(util::ByteRange range) = 0;

  // Writes whole blocks.  After it returned, missing() does not report them.  Throws kIo; then
  // some of the blocks may have been written, each of them whole.
  virtual void write(std::uint64_t offset, util::Bytes bytes) = 0;
};

}  // namespace ondemand::serve
