// SPDX-License-Identifier: Apache-2.0
//
// Bytes of inodes and of the superblock from the plan.  Pure.
#pragma once

#include <cstdint>

#include "erofs/layout.h"
#include "util/bytes.h"

namespace ondemand::erofs {

// new_encode_dev() of the kernel.  Range: major 12 bits, minor 20 bits.
std::uint32_t encode_rdev(std::uint32_t major, std::uint32_t minor);
std::uint32_t decode_rdev_major(std::uint32_t rdev);
std::uint32_t decode_rdev_minor(std::uint32_t rdev);

// S_IF... of <sys/stat.h> and the permissions.
std::uint16_t encode_mode(tree::FileType type, std::uint16_t permissions);

// 32 or 64 bytes.  `ino`: i_ino, which only a 32-bit stat sees.
util::Buffer encode_inode(const tree::Inode& inode, const InodePlan& plan, std::uint32_t xattr_size,
                          std::uint32_t ino);

// With checksum 0, and with a UUID of zeros when the options give none.
ondisk::ErofsSuperBlock encode_superblock(const Layout& layout, const BootstrapOptions& options);

// Slot of the device whose blocks begin at `uniaddr` of the unified address space.
ondisk::ErofsDeviceSlot encode_device_slot(const BlobDevice& device, std::uint32_t uniaddr);

// Of the first block (from offset 0 of the image), the checksum field taken as zero.
std::uint32_t superblock_checksum(util::Bytes first_block);

}  // namespace ondemand::erofs
