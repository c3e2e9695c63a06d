// SPDX-License-Identifier: Apache-2.0
//
// Brings one image into a cache root: bootstrap complete and verified, chunk indexes verified,
// sparse backing files of the right name, size, mode and attribute; the manifest last.
//
// Running it again changes nothing.  What an interrupted run leaves are temporaries, which the next
// run removes, and verified objects without a manifest, which the next run uses.
// Thread: any; runs on one cache root wait for each other.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

#include "cache/cache_mark.h"
#include "cache/cache_root.h"
#include "cache/fetch.h"
#include "cache/volume.h"
#include "source/source.h"

namespace ondemand::cache {

struct PrepareOptions {
  std::chrono::milliseconds request_timeout{30'000};  // of one range request or manifest
  std::chrono::milliseconds stall_timeout{30'000};    // without progress in a whole blob
  VolumeXattr volume_xattr = VolumeXattr::kBe32Zero;
  CacheUse use = CacheUse::kAuto;
  std::uint64_t max_bootstrap_bytes = kMaxBootstrapBytes;  // uncompressed
  // How much the kernel view of blobs[index] may have, where the whole of it is fetched; called
  // when the bootstrap is in its place.  Without it: kMaxObjectBytes.
  std::function<std::uint64_t(const PreparedImage&, std::size_t index)> view_limit;
  // Called with a complete image before its manifest becomes visible; what it throws ends prepare.
  // For checks that need modules that this one may not use (the bootstrap's device table).
  std::function<void(const PreparedImage&)> check;
  // Told one line for a person: repairs, blobs that are fetched whole, doubtful file systems.
  std::function<void(std::string_view)> note;
};

// `reference`: name, tag or "sha256:..." as the source understands it; a name is recorded and
// leads to the image from then on.
// Throws kNotFound (no such image, or a blob of it is not there), kDigestMismatch and kCorrupt
// (bytes that are not what the manifest says; an unsound backing file that is in use),
// kUnsupported (not an EROFS image; a file system without user attributes; a cache that is marked
// for another use), kTooLarge, kIo, kUnavailable, kTimeout.
PreparedImage prepare_image(const CacheRoot& root, source::Source& source,
                            std::string_view reference, const PrepareOptions& options = {});

}  // namespace ondemand::cache
