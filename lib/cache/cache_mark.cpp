// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_mark.h"

#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

using util::Error;
using util::ErrorCode;

// A volume in it: somebody has prepared or used it.
bool has_volumes(const std::filesystem::path& cache_directory) {
  std::error_code error;
  std::filesystem::directory_iterator entry(cache_directory, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().native().starts_with('I')) return true;
  }
  if (error && error.value() != ENOENT)
    throw util::errno_error(util::printable(cache_directory.native()), "list", error.value());
  return false;
}

void set_mark(const std::filesystem::path& cache_directory) {
  if (::setxattr(cache_directory.c_str(), kModeXattr, kModeDemand.data(), kModeDemand.size(), 0) ==
      0)
    return;
  const std::string name = util::printable(cache_directory.native());
  if (errno == EOPNOTSUPP)
    throw Error(ErrorCode::kUnsupported,
                util::concat(name, ": set ", kModeXattr,
                             ": the file system has no user extended attributes; put the cache "
                             "root on ext4, xfs or btrfs"));
  throw util::errno_error(name, util::concat("set ", kModeXattr), errno);
}

[[noreturn]] void refuse(const std::filesystem::path& cache_directory, std::string_view reason) {
  throw Error(ErrorCode::kUnsupported, util::concat(util::printable(cache_directory.native()),
                                                    ": check ", kModeXattr, ": ", reason));
}

}  // namespace

std::optional<CacheUse> parse_cache_use(std::string_view text) {
  if (text == "auto") return CacheUse::kAuto;
  if (text == "fanotify") return CacheUse::kFanotify;
  if (text == "cachefiles-demand") return CacheUse::kCachefilesDemand;
  if (text == "cachefiles") return CacheUse::kCachefiles;
  return std::nullopt;
}

CacheMark read_mark(const std::filesystem::path& cache_directory) {
  std::array<char, 16> value{};  // as much as the kernel looks at
  const ssize_t len = ::getxattr(cache_directory.c_str(), kModeXattr, value.data(), value.size());
  if (len >= 0)
    return std::string_view(value.data(), static_cast<std::size_t>(len)) == kModeDemand
               ? CacheMark::kDemand
               : CacheMark::kForeign;
  if (errno == ERANGE) return CacheMark::kForeign;
  if (errno == ENODATA || errno == EOPNOTSUPP || errno == ENOENT) return CacheMark::kNone;
  throw util::errno_error(util::printable(cache_directory.native()),
                          util::concat("read ", kModeXattr), errno);
}

void check_mark(const std::filesystem::path& cache_directory, CacheUse use) {
  if (use != CacheUse::kCachefilesDemand && use != CacheUse::kCachefiles) return;
  switch (read_mark(cache_directory)) {
    case CacheMark::kDemand:
      if (use == CacheUse::kCachefilesDemand) return;
      refuse(cache_directory,
             util::concat("this cache is marked for cachefiles-demand, and the kernel would not "
                          "bind it through /dev/cachefiles; use another --cache, or unmount its "
                          "images, stop demandd and run 'setfattr -x ",
                          kModeXattr, " ", util::printable(cache_directory.native()), "'"));
    case CacheMark::kForeign:
      refuse(cache_directory,
             "this cache is marked for a use that is not known here; use another --cache");
    case CacheMark::kNone:
      if (use == CacheUse::kCachefiles) return;
      refuse(cache_directory,
             "this cache is not marked for cachefiles-demand; run 'blobctl prepare --for "
             "cachefiles-demand' once");
  }
}

bool would_mark(const std::filesystem::path& cache_directory, CacheUse use) {
  return read_mark(cache_directory) == CacheMark::kNone &&
         (use == CacheUse::kCachefilesDemand ||
          (use == CacheUse::kAuto && !has_volumes(cache_directory)));
}

void ensure_mark(const std::filesystem::path& cache_directory, CacheUse use) {
  if (would_mark(cache_directory, use))
    set_mark(cache_directory);
  else
    check_mark(cache_directory, use);
}

}  // namespace ondemand::cache
