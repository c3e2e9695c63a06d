// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected) as the EROFS superblock uses it.
// Source: EROFS kernel code, superblock checksum: start value all ones, no final inversion.
#pragma once

#include <cstdint>

#include "util/bytes.h"

namespace ondemand::erofs {

// Continues `crc` over `bytes`; start with 0xFFFFFFFF.  No inversion at either end.
std::uint32_t crc32c(std::uint32_t crc, util::Bytes bytes);

}  // namespace ondemand::erofs
