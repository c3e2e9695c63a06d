// SPDX-License-Identifier: Apache-2.0
//
// The mounts that this process sees, and which of them are EROFS images of a cache root.
// Source: proc(5), /proc/pid/mountinfo.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ondemand::mount {

struct MountEntry {
  std::uint64_t id = 0;
  std::string device;                // "major:minor"
  std::string root;                  // of the mount inside its file system; "/" except for binds
  std::filesystem::path mountpoint;  // unescaped
  std::string options;
  std::string filesystem;
  std::string source;  // unescaped; a file-backed EROFS mount names its bootstrap here.  The
                       // device= blobs appear nowhere.
};

// Lines that are not of the form are left out.  Pure.
std::vector<MountEntry> parse_mountinfo(std::string_view text);

// In mount order.  Throws kIo.
std::vector<MountEntry> list_mounts();

// EROFS mounts whose source is a file below `directory`.
std::vector<MountEntry> erofs_mounts_below(const std::vector<MountEntry>& mounts,
                                           const std::filesystem::path& directory);

}  // namespace ondemand::mount
