// SPDX-License-Identifier: Apache-2.0
//
// Keeps one copy of each distinct set of xattrs: most inodes of an image share a few.
#pragma once

#include <memory>
#include <set>

#include "tree/node.h"

namespace ondemand::tree {

class XattrPool {
 public:
  // Null for an empty set.
  std::shared_ptr<const XattrSet> intern(XattrSet xattrs);

 private:
  struct Less {
    bool operator()(const std::shared_ptr<const XattrSet>& a,
                    const std::shared_ptr<const XattrSet>& b) const {
      return *a < *b;
    }
  };
  std::set<std::shared_ptr<const XattrSet>, Less> sets_;
};

}  // namespace ondemand::tree
