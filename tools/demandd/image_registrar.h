// SPDX-License-Identifier: Apache-2.0
//
// Makes the transport watch the blobs of prepared images.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "cache/cache_root.h"
#include "serve/blob.h"
#include "transport/transport.h"
#include "util/error.h"
#include "util/log.h"

namespace ondemand::demandd {

class ImageRegistrar {
 public:
  // Borrows all.
  ImageRegistrar(const cache::CacheRoot& root, transport::Transport& transport, util::Log& log)
      : root_(root), transport_(transport), log_(log) {}

  // When it returns, every incomplete blob of the image is watched.  Throws when that cannot be
  // promised; those that can be are watched all the same.  A blob without a usable chunk index is
  // watched as well: what it lacks is an error.
  void add(const hash::Digest& manifest);
  // Every image of the cache root.  What cannot be read or watched is logged and passed over, the
  // same thing with the same error only once.
  void add_all();
  // Files with holes that belong to no readable image but may be in use.  Throws when one that is
  // there is not watched, after it tried them all: then whoever watched them before must stay.
  void add_strays();

  std::size_t images() const;

 private:
  serve::BlobRef open_blob(const cache::PreparedBlob& blob) const;
  std::optional<util::Error> watch_file(const transport::BackingFile& file, bool is_local);
  bool is_news(const std::string& of, const std::string& reason);
  void forget_failure(const std::string& of);

  const cache::CacheRoot& root_;
  transport::Transport& transport_;
  util::Log& log_;
  mutable std::mutex mutex_;
  std::set<hash::Digest> images_;
  std::map<std::string, std::string> failures_;  // guarded; what was told last of an image, blob
                                                 // index or file
};

}  // namespace ondemand::demandd
