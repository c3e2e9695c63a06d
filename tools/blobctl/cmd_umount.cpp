// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_umount.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "cache/cache_root.h"
#include "mount/mount.h"
#include "mount/mount_table.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

Action define(CLI::App& app) {
  auto options = std::make_shared<UmountOptions>();
  add_cache_options(app, options->cache);
  app.add_option("TARGET", options->target, "Mount point, or name or digest of a prepared image")
      ->type_name("MOUNTPOINT|REF")
      ->required();
  app.add_flag("--lazy", options->lazy, "Detach now, let go when the last user is gone");
  app.footer("Given an image, every place where it is mounted from this cache is unmounted.");
  return [options](cli::Io& io) { return run_umount(*options, io); };
}

// The topmost mount at that path; nullptr when it is no mount point.
const mount::MountEntry* mount_at(const std::vector<mount::MountEntry>& mounts,
                                  const std::string& target) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::weakly_canonical(target, error);
  const mount::MountEntry* found = nullptr;
  for (const mount::MountEntry& entry : mounts)
    if (!error && entry.mountpoint == path) found = &entry;
  return found;
}

}  // namespace

int run_umount(const UmountOptions& options, cli::Io&) {
  const auto mounts = mount::list_mounts();
  if (const mount::MountEntry* entry = mount_at(mounts, options.target)) {
    if (entry->filesystem != "erofs")
      throw util::Error(
          util::ErrorCode::kUsage,
          util::concat(util::printable(options.target), ": unmount: has a mount of type ",
                       entry->filesystem, ", not of an image"));
    mount::unmount(entry->mountpoint, options.lazy);
    return 0;
  }
  const cache::CacheRoot root(options.cache.root);
  const auto digest = root.resolve(options.target);
  if (!digest)
    throw util::Error(util::ErrorCode::kNotFound,
                      util::concat(util::printable(options.target),
                                   ": unmount: is neither a mount point nor an image prepared in ",
                                   util::printable(root.path().native())));
  // Also of an image of which a file is missing: to mend it, it has to be unmounted.
  const auto image_mounts = mount::erofs_mounts_below(mounts, root.open_record(*digest).bootstrap);
  if (image_mounts.empty())
    throw util::Error(
        util::ErrorCode::kNotFound,
        util::concat("image ", util::printable(options.target), ": unmount: is not mounted"));
  for (auto entry = image_mounts.rbegin(); entry != image_mounts.rend(); ++entry)
    mount::unmount(entry->mountpoint, options.lazy);
  return 0;
}

const Command kUmountCommand{"umount", "Unmount an image", define};

}  // namespace ondemand::blobctl
