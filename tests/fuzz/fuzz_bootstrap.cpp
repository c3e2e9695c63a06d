// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as an EROFS image: read, walked, checked and described.  Only util::Error may come out.
#include <cstddef>
#include <cstdint>

#include "erofs/bootstrap_check.h"
#include "erofs/bootstrap_reader.h"
#include "erofs/describe.h"
#include "erofs/hole_search.h"
#include "util/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ondemand;
  try {
    const erofs::BootstrapReader reader(util::Bytes(data, size), "image");
    erofs::check_bootstrap(reader);
    erofs::describe_superblock(reader);
    for (std::size_t i = 0; i < reader.devices().size() && i < 16; ++i)
      erofs::describe_device(reader, i);
    if (const auto nid = reader.lookup("/etc/passwd")) {
      const erofs::InodeInfo inode = reader.inode(*nid);
      erofs::describe_inode(reader, inode);
      erofs::describe_extents(reader, inode);
      reader.xattrs(inode);
    }
    erofs::describe_summary(reader);
    erofs::find_hole_before_data(reader);
  } catch (const util::Error&) {
    // What a decoder says about bad bytes.
  }
  return 0;
}
