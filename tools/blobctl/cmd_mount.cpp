// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_mount.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "blobctl/device_table.h"
#include "blobctl/image_lookup.h"
#include "cache/backing_file.h"
#include "control/control.h"
#include "mount/mount.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

using util::Error;
using util::ErrorCode;

// Marking hundreds of blobs takes milliseconds; a daemon that does not answer for so long is ill.
constexpr std::chrono::milliseconds kRegisterTimeout{30'000};

// Bytes that the file lacks.  Throws when it must not be mounted at all.
std::uint64_t missing_bytes(const std::filesystem::path& path, std::uint64_t size,
                            const std::string& image) {
  const cache::BackingState state = cache::inspect_backing_file(path);
  const auto fail = [&](ErrorCode code, const std::string& reason) {
    throw Error(code, util::concat(image, ": mount: backing file ", util::printable(path.native()),
                                   " ", reason, "; run 'blobctl prepare' again"));
  };
  if (!state.exists) fail(ErrorCode::kNotFound, "is missing");
  if (!state.is_regular) fail(ErrorCode::kCorrupt, "is not a regular file");
  if (state.size != size)
    fail(ErrorCode::kCorrupt, util::concat("has ", state.size, " bytes instead of ", size));
  if (state.unwritten > 0)
    fail(ErrorCode::kCorrupt,
         util::concat("has ", state.unwritten, " bytes that were allocated but never written"));
  return size - state.present;
}

Action define(CLI::App& app) {
  auto options = std::make_shared<MountOptions>();
  add_cache_options(app, options->cache);
  app.add_option("REF", options->reference, "Name or digest of a prepared image")->required();
  app.add_option("MOUNTPOINT", options->mountpoint, "An existing directory")->required();
  app.add_flag("--nodev", options->nodev, "Device files in the image do not work");
  app.add_flag("--nosuid", options->nosuid, "Set-user-ID and capabilities have no effect");
  app.add_flag("--noexec", options->noexec, "Programs in the image cannot be run");
  app.footer(
      "The mount is read-only and file-backed; no loop device is used. If data is missing, a\n"
      "running 'demandd --cache ROOT' must take charge of the image first, else the mount is\n"
      "refused.");
  return [options](cli::Io& io) { return run_mount(*options, io); };
}

}  // namespace

namespace {

// A daemon that ended between its promise and the mount knows nothing of the mount: ask again, and
// take the mount back when there is nobody to serve it.
void confirm_served(const cache::CacheRoot& root, const cache::PreparedImage& image,
                    const std::filesystem::path& mountpoint, const std::string& name) {
  std::string reason = "demandd has ended";
  try {
    if (control::register_image(root.path(), image.manifest, kRegisterTimeout)) return;
  } catch (const Error& error) {
    reason = error.message();
  }
  mount::unmount(mountpoint);
  throw Error(ErrorCode::kUnavailable, util::concat(name, ": mount: ", reason));
}

}  // namespace

int run_mount(const MountOptions& options, cli::Io&) {
  const cache::CacheRoot root(options.cache.root);
  const cache::PreparedImage image = open_prepared(root, options.reference, "mount");
  const std::string name = util::concat("image ", util::printable(options.reference));
  if (missing_bytes(image.bootstrap, image.bootstrap_size, name) > 0)
    throw Error(ErrorCode::kCorrupt,
                util::concat(name,
                             ": mount: the bootstrap is not complete; run 'blobctl prepare' "
                             "again"));
  check_device_table(image);
  std::uint64_t missing = 0;
  mount::MountRequest request{
      image.bootstrap, {}, options.mountpoint, options.nodev, options.nosuid, options.noexec};
  for (const cache::PreparedBlob& blob : image.blobs) {
    missing += missing_bytes(blob.backing_file, blob.size, name);
    request.devices.push_back(blob.backing_file);
  }
  if (missing > 0 && !control::register_image(root.path(), image.manifest, kRegisterTimeout))
    throw Error(ErrorCode::kUnavailable,
                util::concat(name, ": mount: ", missing,
                             " bytes are not local and no demandd serves this cache; start "
                             "'demandd --cache ",
                             util::printable(root.path().native()), " ...' first"));
  mount::mount_erofs(request);
  if (missing > 0) confirm_served(root, image, request.mountpoint, name);
  return 0;
}

const Command kMountCommand{"mount", "Mount a prepared image", define};

}  // namespace ondemand::blobctl
