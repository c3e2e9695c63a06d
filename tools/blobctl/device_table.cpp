// SPDX-License-Identifier: Apache-2.0
#include "blobctl/device_table.h"

#include <fcntl.h>

#include <string>

#include "erofs/bootstrap_reader.h"
#include "util/align.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/mapped_file.h"
#include "util/text.h"
#include "view/image_view.h"

namespace ondemand::blobctl {

namespace {

std::string name_of(const cache::PreparedImage& image) {
  return util::concat("image ", image.manifest.to_string(), ": bootstrap");
}

}  // namespace

std::uint64_t slot_limit(const cache::PreparedImage& image, std::size_t index) {
  const std::string name = name_of(image);
  const util::Fd fd = util::open_file(image.bootstrap, O_RDONLY);
  const util::MappedFile file(fd.get(), util::printable(image.bootstrap.native()));
  const erofs::BootstrapReader reader(file.bytes(), name);
  if (index >= reader.devices().size())
    throw util::Error(
        util::ErrorCode::kCorrupt,
        util::concat(name, ": check device table: has ", reader.devices().size(),
                     " slots, the manifest has ", image.blobs.size(), " device layers"));
  return view::view_limit(reader, index);
}

void check_device_table(const cache::PreparedImage& image) {
  const std::string name = name_of(image);
  const auto fail = [&name](const std::string& reason) {
    throw util::Error(util::ErrorCode::kCorrupt,
                      util::concat(name, ": check device table: ", reason));
  };
  const util::Fd fd = util::open_file(image.bootstrap, O_RDONLY);
  const util::MappedFile file(fd.get(), util::printable(image.bootstrap.native()));
  const erofs::BootstrapReader reader(file.bytes(), name);
  const auto& devices = reader.devices();
  if (devices.size() != image.blobs.size())
    fail(util::concat("has ", devices.size(), " slots, the manifest has ", image.blobs.size(),
                      " device layers"));
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const cache::PreparedBlob& blob = image.blobs[i];
    const std::uint64_t needed =
        util::checked_mul(devices[i].nblocks, std::uint64_t{reader.block_size()});
    if (needed > blob.size)
      fail(util::concat("slot ", i + 1, " needs ", needed, " bytes, blob ", blob.digest.to_string(),
                        " has ", blob.size));
    // The specification asks for the digest in the tag; other tools leave it empty or write text.
    const auto tag = hash::Digest::from_hex(devices[i].tag);
    if (tag && *tag != blob.digest)
      fail(util::concat("slot ", i + 1, " is tagged ", devices[i].tag, ", the manifest has blob ",
                        blob.digest.hex(), " there"));
  }
}

}  // namespace ondemand::blobctl
