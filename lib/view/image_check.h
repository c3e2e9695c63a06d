// SPDX-License-Identifier: Apache-2.0
//
// Checks whole images: every object that a manifest names, decoded to the last frame, and what the
// objects say of each other.  Other images than EROFS ones have their digests checked only.
//
// Thread: one user at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hash/digest.h"
#include "source/source.h"
#include "view/blob_check.h"

namespace ondemand::view {

struct ImageReport {
  std::string reference;
  std::optional<hash::Digest> manifest;  // none: it could not be read
  bool is_erofs = false;
  std::vector<std::string> defects;  // one line each
  std::uint64_t objects = 0;         // that the manifest names
  std::uint64_t blobs = 0;
  std::uint64_t frames = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t decoded_bytes = 0;
  std::uint64_t inodes = 0;
};

class ImageChecker {
 public:
  // Borrows the source; `temporary` as for ImageView.
  ImageChecker(source::Source& source, std::filesystem::path temporary)
      : source_(source), temporary_(std::move(temporary)) {}

  // Does not throw for what it finds, a missing image included.  Blobs that several images share
  // are read once; each image has their defects.
  ImageReport check(std::string_view reference);

 private:
  class Run;
  source::Source& source_;
  std::filesystem::path temporary_;
  std::map<std::string, BlobFacts> blobs_;  // by all that is compared
};

}  // namespace ondemand::view
