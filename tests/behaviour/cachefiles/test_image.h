// SPDX-License-Identifier: Apache-2.0
//
// Small EROFS images whose files have contents that can be told from their number and position.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::behaviour {

// Bytes of file `file`; never zero.
util::Buffer file_content(unsigned file, std::uint64_t offset, std::uint64_t len);

struct ImageFile {
  unsigned number = 0;  // its name is f<number>
  std::uint64_t size = 0;
  int blob = -1;             // index; -1: the file is in the bootstrap
  std::uint64_t offset = 0;  // in the blob
};

struct TestImage {
  util::Buffer bootstrap;
  std::vector<std::string> keys;    // of the blobs
  std::vector<util::Buffer> blobs;  // kernel view
  std::vector<ImageFile> files;
};

inline constexpr std::uint64_t kFileBytes = 256 * util::kKiB;

// Eight files of kFileBytes in one blob.
TestImage plain_image();
// The same files, one after the other in two blobs.
TestImage two_blob_image();
// Small files in the bootstrap itself besides large ones in a blob; odd sizes.
TestImage inline_image();
// Nothing but a bootstrap.
TestImage metadata_image();

}  // namespace ondemand::behaviour
