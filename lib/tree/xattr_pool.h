// SPDX-License-Identifier: Apache-2.0
//
// Keeps one copy of each distinct set of xattrs: most inodes of an image share a few.
#pragma once

#include <cstdint>
#include <memory>
#include <set>

#include "tree/node.h"

namespace ondemand::tree {

class XattrPool {
 public:
  // Ours: what all distinct sets of an image may take.  Unit: bytes.
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;

  // Null for an empty set.  Throws kTooLarge above kMaxBytes.
  std::shared_ptr<const XattrSet> intern(XattrSet xattrs);

 private:
  struct Less {
    bool operator()(const std::shared_ptr<const XattrSet>& a,
                    const std::shared_ptr<const XattrSet>& b) const {
      return *a < *b;
    }
  };
  std::set<std::shared_ptr<const XattrSet>, Less> sets_;
  std::uint64_t bytes_ = 0;
};

}  // namespace ondemand::tree
