// SPDX-License-Identifier: Apache-2.0
//
// What 'blobctl status' tells, as data, and its two forms.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "cache/cache_root.h"
#include "mount/mount_table.h"

namespace ondemand::blobctl {

struct BlobStatus {
  hash::Digest digest;
  std::uint64_t size = 0;         // kernel view, bytes
  std::uint64_t present = 0;      // bytes with data
  std::uint64_t stored_size = 0;  // bytes on the server
  bool is_complete() const { return present == size; }
};

struct ImageStatus {
  hash::Digest manifest;
  std::vector<std::string> names;
  std::vector<std::string> mountpoints;
  std::string error;  // not empty: the image is broken, and this is why
  BlobStatus bootstrap;
  std::vector<BlobStatus> blobs;
  std::uint64_t size() const;  // bootstrap and blobs
  std::uint64_t present() const;
  bool is_complete() const { return error.empty() && present() == size(); }
};

struct CacheStatus {
  std::string root;
  bool is_served = false;   // a demandd answers
  std::string transport;    // of that demandd; empty when none answers
  std::string daemon_json;  // what it says of itself, a JSON object; empty when none answers
  std::vector<ImageStatus> images;
  // Each object counted once, however many images use it.
  std::uint64_t blob_count = 0;
  std::uint64_t size = 0;
  std::uint64_t present = 0;
};

CacheStatus collect_status(const cache::CacheRoot& root, const std::vector<hash::Digest>& images,
                           const std::vector<mount::MountEntry>& mounts);

std::string to_json(const CacheStatus& status);
void print(const CacheStatus& status, std::ostream& out);

}  // namespace ondemand::blobctl
