// SPDX-License-Identifier: Apache-2.0
#include "blobctl/hole_check.h"

#include <fcntl.h>

#include <filesystem>
#include <optional>
#include <system_error>

#include "cachefiles/abi.h"
#include "erofs/hole_search.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/mapped_file.h"
#include "util/text.h"

namespace ondemand::blobctl {

bool reads_holes_right(const TransportChoice& transport) {
  if (transport.is_running && transport.kind == TransportKind::kCachefilesDemand) return true;
  std::error_code ignored;
  return std::filesystem::is_character_file(cachefiles::abi::kDemandDevice, ignored);
}

void check_holes(const cache::PreparedImage& image, const std::string& name) {
  const util::Fd fd = util::open_file(image.bootstrap, O_RDONLY);
  const util::MappedFile file(fd.get(), util::printable(image.bootstrap.native()));
  const erofs::BootstrapReader reader(file.bytes(), util::concat(name, ": bootstrap"));
  const std::optional<std::string> path = erofs::find_hole_before_data(reader);
  if (!path) return;
  throw util::Error(
      util::ErrorCode::kUnsupported,
      util::concat(name, ": mount over fscache: ", util::printable(*path),
                   " has data behind a hole, which this kernel's EROFS would read as zeros; "
                   "convert the image with 'mkfs-erofs-ondemand --zero-chunks data', mount it "
                   "through fanotify, or use a kernel with this project's series ('make kernel')"));
}

}  // namespace ondemand::blobctl
