// SPDX-License-Identifier: Apache-2.0
//
// The compression function of SHA-256 by the processor's own instructions, for one message and for
// two at once.  Those instructions have twice as much latency as they take time to issue: a second,
// independent message costs next to nothing.  Internal to this module.
// Source: FIPS 180-4 section 6.2; Intel Architecture Instruction Set Extensions, SHA extensions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ondemand::hash {

inline constexpr std::size_t kSha256Block = 64;  // Unit: bytes

// The processor has them; nothing else here may be called where it has not.
bool has_sha256_instructions();

// Takes `blocks` whole blocks into the eight words of `state`.  Range: blocks >= 1.
void compress_blocks(std::uint32_t* state, const std::uint8_t* data, std::size_t blocks);
// The same for two different states; the data may be the same.
void compress_blocks_of_two(std::uint32_t* state_a, const std::uint8_t* data_a,
                            std::uint32_t* state_b, const std::uint8_t* data_b, std::size_t blocks);

}  // namespace ondemand::hash
