// SPDX-License-Identifier: Apache-2.0
#include "blobctl/mount_check.h"

#include "blobctl/device_table.h"
#include "blobctl/hole_check.h"
#include "cache/backing_file.h"
#include "cache/cache_mark.h"
#include "cache/volume.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

using util::Error;
using util::ErrorCode;

constexpr const char* kAgain = "; run 'blobctl prepare' again";

// Bytes that the file lacks.  Throws when it must not be mounted at all.
std::uint64_t missing_bytes(const std::filesystem::path& path, std::uint64_t size, bool wants_xattr,
                            const std::string& image) {
  const cache::BackingState state = cache::inspect_backing_file(path);
  const auto fail = [&](ErrorCode code, const std::string& reason) {
    throw Error(code, util::concat(image, ": mount: backing file ", util::printable(path.native()),
                                   " ", reason, kAgain));
  };
  if (!state.exists) fail(ErrorCode::kNotFound, "is missing");
  if (!state.is_regular) fail(ErrorCode::kCorrupt, "is not a regular file");
  if (state.size != size)
    fail(ErrorCode::kCorrupt, util::concat("has ", state.size, " bytes instead of ", size));
  if (state.unwritten > 0)
    fail(ErrorCode::kCorrupt,
         util::concat("has ", state.unwritten, " bytes that were allocated but never written"));
  if (wants_xattr && !state.has_xattr)
    fail(ErrorCode::kCorrupt,
         util::concat("has no attribute ", cache::kCacheXattr, " of its size"));
  return size - state.present;
}

void check_cache(const cache::CacheRoot& root, const TransportChoice& transport,
                 const std::string& name) {
  if (!transport.is_running)
    cache::check_mark(root.cache_directory(), transport.kind == TransportKind::kCachefilesDemand
                                                  ? cache::CacheUse::kCachefilesDemand
                                                  : cache::CacheUse::kCachefiles);
  if (!cache::has_volume_xattr(root.cache_directory(), root.volume_key()))
    throw Error(ErrorCode::kCorrupt,
                util::concat(name, ": mount: volume ", util::printable(root.volume_key()),
                             " has no attribute ", cache::kCacheXattr, kAgain));
}

}  // namespace

std::uint64_t check_before_mount(const cache::CacheRoot& root, const cache::PreparedImage& image,
                                 const TransportChoice& transport, const std::string& name) {
  const bool is_fscache = transport.kind != TransportKind::kFanotify;
  if (is_fscache) check_cache(root, transport, name);
  if (missing_bytes(image.bootstrap, image.bootstrap_size, is_fscache, name) > 0)
    throw Error(ErrorCode::kCorrupt,
                util::concat(name, ": mount: the bootstrap is not complete", kAgain));
  check_device_table(image);
  if (is_fscache && !reads_holes_right(transport)) check_holes(image, name);
  std::uint64_t missing = 0;
  for (const cache::PreparedBlob& blob : image.blobs)
    missing += missing_bytes(blob.backing_file, blob.size, is_fscache, name);
  return missing;
}

}  // namespace ondemand::blobctl
