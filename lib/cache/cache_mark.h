// SPDX-License-Identifier: Apache-2.0
//
// The mark that keeps a prepared cache out of the hands of the wrong mode of the kernel's
// cachefiles: the attribute user.CacheFiles.mode = "demand" on <root>/cache.
//
// A kernel with the demand series binds a marked cache through /dev/cachefiles_demand only, and an
// unmarked one through /dev/cachefiles only; other kernels do not know the mark.  fanotify does not
// care: a marked cache serves fanotify and cachefiles-demand, an unmarked one fanotify and
// cachefiles.  Source: kernel-patches, Documentation/filesystems/caching/cachefiles-demand.rst.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace ondemand::cache {

inline constexpr const char* kModeXattr = "user.CacheFiles.mode";
inline constexpr std::string_view kModeDemand = "demand";

enum class CacheMark {
  kNone,
  kDemand,
  kForeign,  // another value: the kernel binds it through neither device
};

// What a cache is prepared for.
enum class CacheUse {
  kAuto,              // a new cache is marked, an old one stays as it is
  kFanotify,          // as kAuto leaves old ones; a new one stays unmarked
  kCachefilesDemand,  // is marked, now if need be
  kCachefiles,        // must not be marked
};

// "auto", "fanotify", "cachefiles-demand", "cachefiles"; nullopt for anything else.
std::optional<CacheUse> parse_cache_use(std::string_view text);

// Of <root>/cache; kNone also when it does not exist or the file system has no user attributes.
// Throws kIo.
CacheMark read_mark(const std::filesystem::path& cache_directory);

// Makes the mark what `use` asks for.  The directory exists; the caller holds the cache lock.
// Throws kUnsupported when the cache is marked for something else, naming the way out, or when the
// file system has no user attributes.
void ensure_mark(const std::filesystem::path& cache_directory, CacheUse use);

// Whether ensure_mark() would set the mark; also for a directory that does not exist yet.  Throws
// kIo.
bool would_mark(const std::filesystem::path& cache_directory, CacheUse use);

// The kernel would bind the cache for that use.  Throws kUnsupported when not, naming the way out.
void check_mark(const std::filesystem::path& cache_directory, CacheUse use);

}  // namespace ondemand::cache
