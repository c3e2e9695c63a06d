// SPDX-License-Identifier: Apache-2.0
//
// Private to this module: what both kinds of mount do with a context of fsopen(2).
#pragma once

#include <filesystem>
#include <string>

namespace ondemand::mount {

// What the kernel has written into a context since the last call, "; " between the messages.
std::string kernel_messages(int context);

// The reason, with what the kernel wrote into the context (-1: none) behind it.
std::string with_messages(std::string reason, int context);

// Throws kNotFound, kUsage (no directory), kIo.
void check_mountpoint(const std::filesystem::path& path);

// Of fsmount(2).
unsigned mount_attributes(bool nodev, bool nosuid, bool noexec);

// Makes a mount of a file system that was created and puts it at its place.  Throws.
void attach_mount(int context, unsigned attributes, const std::filesystem::path& mountpoint);

}  // namespace ondemand::mount
