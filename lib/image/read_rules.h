// SPDX-License-Identifier: Apache-2.0
//
// What the user asks of the reading of layers: limits against archives that would take all memory
// or time, what to do with what EROFS cannot hold, and which markers hide files of lower layers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tar/entry.h"
#include "tree/whiteout.h"

namespace ondemand::image {

// Ours.  An inode takes some 400 bytes of memory; the largest images have about two million.
inline constexpr std::uint64_t kDefaultMaxEntries = 10'000'000;
inline constexpr std::uint64_t kDefaultMaxBytes = std::uint64_t{1} << 40;

struct ReadRules {
  // Entries of all layers, and inodes of the tree.
  std::uint64_t max_entries = kDefaultMaxEntries;
  // Of all layers, uncompressed.  Unit: bytes
  std::uint64_t max_bytes = kDefaultMaxBytes;
  // true: what EROFS cannot hold is dropped and told; false: it is refused.
  bool is_lossy = false;
  tree::WhiteoutStyle whiteouts = tree::WhiteoutStyle::kOci;
  // false: a plain root file system, in which a whiteout can only be a mistake.
  bool has_lower_layers = true;
};

// How far the reading of layers is; written by the builder, read from any thread.
struct ReadProgress {
  std::atomic<std::uint64_t> stored_bytes{0};  // of layers as they are kept, of all passes
  std::atomic<std::uint64_t> total{0};         // the same when it is done; 0: not known
  std::atomic<std::uint64_t> files{0};         // of one pass
};

// What was dropped: every case is counted, the first kMaxListed are told.
struct DropList {
  static constexpr std::size_t kMaxListed = 10'000;
  std::uint64_t count = 0;
  std::vector<std::string> lines;  // "layer: path: what: reason"
  void add(std::string line);
};

// Takes out of an entry what EROFS cannot hold, and calls `drop` with what and why.  False: the
// whole entry must go.
bool drop_what_does_not_fit(tar::Entry& entry, const std::function<void(const std::string&)>& drop);

}  // namespace ondemand::image
