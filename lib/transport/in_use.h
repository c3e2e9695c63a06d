// SPDX-License-Identifier: Apache-2.0
//
// Which backing files of a cache could still give somebody a hole to read.
#pragma once

#include <filesystem>
#include <vector>

namespace ondemand::transport {

// Files below <root>/cache with holes, sorted; also those that cannot be looked at, unless they
// are not there any more.  Throws kIo where not all files can be found: nobody may go then.
std::vector<std::filesystem::path> incomplete_files(const std::filesystem::path& root);

// Of those, the ones that anybody but this process's own descriptors has open: a mount (also one
// in another mount namespace, or one that was detached while in use), or a program.  What cannot
// be told counts as in use.  A file that was unlinked is passed over, in use or not: it cannot be
// asked by its name.
// The caller has none of them open.
std::vector<std::filesystem::path> files_in_use(const std::vector<std::filesystem::path>& files);

}  // namespace ondemand::transport
