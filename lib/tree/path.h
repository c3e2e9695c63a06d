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
// Source: Linux PATH_MAX, with the NUL: nothing opens a longer path in one call, and readers of tar
// refuse it.
inline constexpr std::size_t kMaxPathBytes = 4095;

// No image can hold an entry of such a path: a name is too long, or what it lies in or links to has
// been dropped.  It can be dropped, too.
class UnfitPath : public util::Error {
 public:
  using Error::Error;
};

// What an entry should lie in is no directory.  The message does not name the entry.
class BadParent : public util::Error {
 public:
  using Error::Error;
};

// An absolute path is taken from the root of the image, as GNU tar and container runtimes do.
// Throws kCorrupt for an empty path and "..", UnfitPath for a name that is too long.
std::string normalize_path(std::string_view path);

// Takes the first component off a normalised path; empty at the end.
std::string_view take_component(std::string_view& path);

}  // namespace ondemand::tree
