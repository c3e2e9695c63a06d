// SPDX-License-Identifier: Apache-2.0
#include "tree/xattr_pool.h"

#include <utility>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::tree {

std::shared_ptr<const XattrSet> XattrPool::intern(XattrSet xattrs) {
  if (xattrs.empty()) return nullptr;
  const auto inserted = sets_.insert(std::make_shared<const XattrSet>(std::move(xattrs)));
  if (inserted.second) {
    for (const tar::Xattr& xattr : **inserted.first)
      bytes_ += sizeof xattr + xattr.name.size() + xattr.value.size();
    if (bytes_ > kMaxBytes)
      throw util::Error(util::ErrorCode::kTooLarge,
                        util::concat("extended attributes: keep: the distinct ones take more than ",
                                     kMaxBytes, " bytes"));
  }
  return *inserted.first;
}

}  // namespace ondemand::tree
