// SPDX-License-Identifier: Apache-2.0
//
// Paths of archive entries in one form: components joined by single slashes, no "." components, no
// slash at either end.  The root directory is the empty string.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "util/error.h"

namespace ondemand::tree {

// Source: EROFS_NAME_LEN and Linux NAME_MAX.
inline constexpr std::size_t kMaxNameBytes = 255;

enum class AbsolutePaths {
  kRefuse,  // "/" alone is the root directory
  kAllow,   // taken from the root of the image: targets of hard links
};

// No image can hold an entry of such a path: a name is too long, or what it lies in or links to has
// been dropped.  It can be dropped, too.
class UnfitPath : public util::Error {
 public:
  using Error::Error;
};

// Throws kCorrupt for an empty path, ".." and (kRefuse) an absolute path, UnfitPath for a name that
// is too long.
std::string normalize_path(std::string_view path, AbsolutePaths absolute = AbsolutePaths::kRefuse);

// Takes the first component off a normalised path; empty at the end.
std::string_view take_component(std::string_view& path);

}  // namespace ondemand::tree
