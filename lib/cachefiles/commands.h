// SPDX-License-Identifier: Apache-2.0
//
// The text commands of the control devices.  Pure.
// Source: Documentation/filesystems/caching/cachefiles.rst and cachefiles-demand.rst.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace ondemand::cachefiles {

// The directory that holds cache/ and graveyard/.  Throws kUsage for a path that no command can
// carry (not absolute, with a line end), kTooLarge.
std::string dir_command(const std::filesystem::path& root);
// Name of the cache in the kernel's messages.  Throws kUsage, kTooLarge.
std::string tag_command(std::string_view tag);

inline constexpr std::string_view kBindCommand = "bind";
inline constexpr std::string_view kBindOndemandCommand = "bind ondemand";  // on-demand mode
inline constexpr std::string_view kRestoreCommand = "restore";

// Demand mode.  Range of `error`: 1 to 4095; what is not is sent as EIO.
std::string done_command(std::uint64_t id);
std::string fail_command(std::uint64_t id, int error);

// On-demand mode: the answer to OPEN.  Throws kTooLarge for a size above 2^63-1.
std::string copen_command(std::uint32_t message_id, std::uint64_t size);
std::string copen_failure_command(std::uint32_t message_id, int error);

}  // namespace ondemand::cachefiles
