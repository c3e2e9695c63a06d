// SPDX-License-Identifier: Apache-2.0
#include "blobctl/image_lookup.h"

#include <algorithm>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {

hash::Digest resolve_prepared(const cache::CacheRoot& root, const std::string& reference,
                              const char* action) {
  if (const auto digest = root.resolve(reference)) return *digest;
  constexpr std::size_t kShown = 8;
  const auto names = root.list_names();
  std::string known;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i)
    known +=
        util::concat(i > 0 ? ", " : "; prepared are ", "'", util::printable(names[i].name), "'");
  if (names.size() > kShown) known += util::concat(" and ", names.size() - kShown, " more");
  throw util::Error(
      util::ErrorCode::kNotFound,
      util::concat("image ", util::printable(reference), ": ", action, ": is not prepared in ",
                   util::printable(root.path().native()), known));
}

cache::PreparedImage open_prepared(const cache::CacheRoot& root, const std::string& reference,
                                   const char* action) {
  return root.open_image(resolve_prepared(root, reference, action));
}

}  // namespace ondemand::blobctl
