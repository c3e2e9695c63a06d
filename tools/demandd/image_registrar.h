// SPDX-License-Identifier: Apache-2.0
//
// Makes the transport watch the blobs of prepared images.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "cache/cache_root.h"
#include "serve/blob.h"
#include "transport/transport.h"
#include "util/log.h"

namespace ondemand::demandd {

class ImageRegistrar {
 public:
  // Borrows all.
  ImageRegistrar(const cache::CacheRoot& root, transport::Transport& transport, util::Log& log)
      : root_(root), transport_(transport), log_(log) {}

  // When it returns, every incomplete blob of the image is watched.  Throws when that cannot be
  // promised.  A blob without a usable chunk index is watched as well: what it lacks is an error.
  void add(const hash::Digest& manifest);
  // Every image of the cache root.  One that cannot be read is logged and passed over, the same
  // image with the same error only once.
  void add_all();
  // Files with holes that belong to no readable image but may be in use.
  void add_strays();

  std::size_t images() const;

 private:
  serve::BlobRef open_blob(const cache::PreparedBlob& blob) const;

  const cache::CacheRoot& root_;
  transport::Transport& transport_;
  util::Log& log_;
  mutable std::mutex mutex_;
  std::set<hash::Digest> images_;
  std::map<hash::Digest, std::string> failures_;
};

}  // namespace ondemand::demandd
