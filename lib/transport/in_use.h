// SPDX-License-Identifier: Apache-2.0
//
// Which backing files of a cache could still give somebody a hole to read.
#pragma once

#include <filesystem>
#include <vector>

namespace ondemand::transport {

// Files below <root>/cache with holes, sorted.  What cannot be looked at is passed over.
std::vector<std::filesystem::path> incomplete_files(const std::filesystem::path& root);

// Of those, the ones that anybody but this process's own descriptors has open: a mount (also one
// in another mount namespace, or one that was detached while in use), or a program.
// The caller has none of them open.
std::vector<std::filesystem::path> files_in_use(const std::vector<std::filesystem::path>& files);

}  // namespace ondemand::transport
