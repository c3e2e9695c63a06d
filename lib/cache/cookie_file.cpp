// SPDX-License-Identifier: Apache-2.0
#include "cache/cookie_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <limits>

#include "cache/backing_path.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::cache {

std::filesystem::path cookie_path(const std::filesystem::path& root, const CookieFile& cookie) {
  return root / "cache" / backing_path(cookie.volume_key, cookie.cookie_key);
}

EnsureResult ensure_cookie_file(const std::filesystem::path& root, const CookieFile& cookie) {
  const std::filesystem::path path = cookie_path(root, cookie);  // checks the keys
  const std::string name = util::concat("cookie ", util::printable(cookie.cookie_key));
  if (cookie.size == 0)
    throw util::Error(util::ErrorCode::kUsage, util::concat(name, ": prepare: its size is 0"));
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (cookie.size > kMax - kBackingAlignment)
    throw util::Error(util::ErrorCode::kTooLarge,
                      util::concat(name, ": prepare: ", cookie.size, " bytes fit no file"));
  for (const std::filesystem::path& directory :
       {root, root / "cache", root / "graveyard", root / "tmp"}) {
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
      throw util::errno_error(util::printable(directory.native()), "create directory", errno);
  }
  ensure_volume(root / "cache", cookie.volume_key, cookie.volume_xattr);
  return ensure_backing_file(root / "tmp", path, cookie.size);
}

}  // namespace ondemand::cache
