// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_mount.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "blobctl/image_lookup.h"
#include "blobctl/mount_check.h"
#include "blobctl/transport_choice.h"
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

Action define(CLI::App& app) {
  auto options = std::make_shared<MountOptions>();
  add_cache_options(app, options->cache);
  app.add_option("REF", options->reference, "Name or digest of a prepared image")->required();
  app.add_option("MOUNTPOINT", options->mountpoint, "An existing directory")->required();
  app.add_option("--transport", options->transport,
                 "auto: as demandd serves the cache; fanotify: file-backed; cachefiles-demand or\n"
                 "cachefiles: over fscache")
      ->type_name("NAME")
      ->check(CLI::IsMember({"auto", "fanotify", "cachefiles-demand", "cachefiles"}))
      ->capture_default_str();
  app.add_flag("--nodev", options->nodev, "Device files in the image do not work");
  app.add_flag("--nosuid", options->nosuid, "Set-user-ID and capabilities have no effect");
  app.add_flag("--noexec", options->noexec, "Programs in the image cannot be run");
  app.footer(
      "The mount is read-only, and file-backed or over fscache; no loop device is used. If data\n"
      "is missing, a running 'demandd --cache ROOT' must take charge of the image first, else the\n"
      "mount is refused. Every backing file is checked before the kernel sees it.");
  return [options](cli::Io& io) { return run_mount(*options, io); };
}

}  // namespace

namespace {

// False: no demandd.  A demandd may have come, or gone and come another way, since the kind was
// chosen, and one that watches over fscache does not see what a file-backed mount reads.
bool take_charge(const cache::CacheRoot& root, const cache::PreparedImage& image,
                 TransportKind kind, const std::string& name) {
  const auto served = control::register_image(root.path(), image.manifest, kRegisterTimeout);
  if (served && *served != to_string(kind))
    throw Error(ErrorCode::kUnavailable,
                util::concat(name, ": mount through ", to_string(kind),
                             ": demandd serves this cache through ",
                             served->empty() ? "an unknown interface" : util::printable(*served)));
  return served.has_value();
}

// A daemon that ended between its promise and the mount knows nothing of the mount: ask again, and
// take the mount back when there is nobody to serve it.
void confirm_served(const cache::CacheRoot& root, const cache::PreparedImage& image,
                    TransportKind kind, const std::filesystem::path& mountpoint,
                    const std::string& name) {
  std::string reason = "demandd has ended";
  try {
    if (take_charge(root, image, kind, name)) return;
  } catch (const Error& error) {
    reason = error.message();
  }
  mount::unmount(mountpoint);
  throw Error(ErrorCode::kUnavailable, util::concat(name, ": mount: ", reason));
}

void mount_file_backed(const cache::PreparedImage& image, const MountOptions& options) {
  mount::MountRequest request{
      image.bootstrap, {}, options.mountpoint, options.nodev, options.nosuid, options.noexec};
  for (const cache::PreparedBlob& blob : image.blobs)
    request.devices.push_back(blob.backing_file);
  mount::mount_erofs(request);
}

// The source that the mount table shows is the bootstrap, as with a file-backed mount, so that
// status and umount find it.
void mount_over_fscache(const cache::CacheRoot& root, const cache::PreparedImage& image,
                        const MountOptions& options) {
  mount::FscacheRequest request;
  request.fsid = image.bootstrap_digest.hex();
  request.domain_id = root.domain();
  for (const cache::PreparedBlob& blob : image.blobs)
    request.devices.push_back(blob.digest.hex());
  request.source = std::filesystem::absolute(image.bootstrap).lexically_normal().native();
  request.mountpoint = options.mountpoint;
  request.nodev = options.nodev;
  request.nosuid = options.nosuid;
  request.noexec = options.noexec;
  mount::mount_fscache(request);
}

}  // namespace

int run_mount(const MountOptions& options, cli::Io&) {
  const cache::CacheRoot root(options.cache.root);
  const cache::PreparedImage image = open_prepared(root, options.reference, "mount");
  const std::string name = util::concat("image ", util::printable(options.reference));
  const TransportChoice transport = choose_transport(root, options.transport);
  const TransportKind kind = transport.kind;
  const std::uint64_t missing = check_before_mount(root, image, transport, name);
  // Over fscache the kernel may ask for any file, complete ones too.
  const bool must_register = missing > 0 || kind != TransportKind::kFanotify;
  const bool is_served = must_register && take_charge(root, image, kind, name);
  if (missing > 0 && !is_served)
    throw Error(ErrorCode::kUnavailable,
                util::concat(name, ": mount: ", missing,
                             " bytes are not local and no demandd serves this cache; start "
                             "'demandd --cache ",
                             util::printable(root.path().native()), " ...' first"));
  if (kind == TransportKind::kFanotify)
    mount_file_backed(image, options);
  else
    mount_over_fscache(root, image, options);
  if (missing > 0) confirm_served(root, image, kind, options.mountpoint, name);
  return 0;
}

const Command kMountCommand{"mount", "Mount a prepared image", define};

}  // namespace ondemand::blobctl
