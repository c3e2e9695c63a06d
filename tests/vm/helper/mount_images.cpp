// SPDX-License-Identifier: Apache-2.0
#include "mount_images.h"

#include <string>

#include "cache/cache_root.h"
#include "mount/mount.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::vmtest {

void mount_images(const std::filesystem::path& root, const std::filesystem::path& points,
                  int count) {
  const cache::CacheRoot cache(root);
  for (int number = 0; number < count; ++number) {
    const std::string name = std::to_string(number);
    const auto manifest = cache.resolve(name);
    if (!manifest)
      throw util::Error(util::ErrorCode::kNotFound,
                        util::concat("image ", name, ": mount: is not prepared"));
    const cache::PreparedImage image = cache.open_image(*manifest);
    mount::FscacheRequest request;
    request.fsid = image.bootstrap_digest.hex();
    request.domain_id = cache.domain();
    for (const cache::PreparedBlob& blob : image.blobs)
      request.devices.push_back(blob.digest.hex());
    request.mountpoint = points / name;
    std::filesystem::create_directories(request.mountpoint);
    mount::mount_fscache(request);
  }
}

}  // namespace ondemand::vmtest
