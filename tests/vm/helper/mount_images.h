// SPDX-License-Identifier: Apache-2.0
//
// Mounts many prepared images: as blobctl mount does it, without a process for each, which costs
// more under emulation than the mount itself.
#pragma once

#include <filesystem>

namespace ondemand::vmtest {

// The images named "0", "1", ... `count` - 1 of the cache `root`, over fscache, at `points`/NAME,
// which is made.  A demandd must serve them.  Throws at the first that cannot be mounted.
void mount_images(const std::filesystem::path& root, const std::filesystem::path& points,
                  int count);

}  // namespace ondemand::vmtest
