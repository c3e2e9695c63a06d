// SPDX-License-Identifier: Apache-2.0
#include "tree/xattr_pool.h"

#include <utility>

namespace ondemand::tree {

std::shared_ptr<const XattrSet> XattrPool::intern(XattrSet xattrs) {
  if (xattrs.empty()) return nullptr;
  return *sets_.insert(std::make_shared<const XattrSet>(std::move(xattrs))).first;
}

}  // namespace ondemand::tree
