// SPDX-License-Identifier: Apache-2.0
//
// Compiled for processors that have the instructions: no inline function of another header may
// come in here, since the linker could choose this copy of it for all.
#include "hash/sha256_blocks.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

namespace ondemand::hash {

namespace {

// Source: FIPS 180-4 section 4.2.2.
alignas(16) constexpr std::uint32_t kRoundConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

const __m128i* as_vector(const void* bytes) {
  return static_cast<const __m128i*>(bytes);
}

// One message on its way: the working variables in the order that the instructions want (a b e f
// and c d g h, high to low), and the last sixteen words of the message schedule.
struct Lane {
  __m128i abef;
  __m128i cdgh;
  __m128i words[4];
};

// Rounds 4G to 4G + 3.
template <int G>
[[gnu::always_inline]] inline void four_rounds(Lane& lane, const std::uint8_t* block) {
  __m128i& word = lane.words[G % 4];
  if constexpr (G < 4) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    word = _mm_shuffle_epi8(_mm_loadu_si128(as_vector(block + 16 * G)), big_endian);
  } else {
    // W[t] = s1(W[t-2]) + W[t-7] + s0(W[t-15]) + W[t-16], four at a time.
    const __m128i& last = lane.words[(G + 3) % 4];
    const __m128i seven_back = _mm_alignr_epi8(last, lane.words[(G + 2) % 4], 4);
    word = _mm_add_epi32(_mm_sha256msg1_epu32(word, lane.words[(G + 1) % 4]), seven_back);
    word = _mm_sha256msg2_epu32(word, last);
  }
  __m128i sum = _mm_add_epi32(word, _mm_load_si128(as_vector(kRoundConstants + 4 * G)));
  lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sum);
  sum = _mm_shuffle_epi32(sum, 0x0E);
  lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, sum);
}

template <int G = 0>
[[gnu::always_inline]] inline void all_rounds(Lane& lane, const std::uint8_t* block) {
  four_rounds<G>(lane, block);
  if constexpr (G < 15) all_rounds<G + 1>(lane, block);
}

// Both lanes in step, so that one works while the other waits for its result.
template <int G = 0>
[[gnu::always_inline]] inline void all_rounds_of_two(Lane& a, const std::uint8_t* block_a, Lane& b,
                                                     const std::uint8_t* block_b) {
  four_rounds<G>(a, block_a);
  four_rounds<G>(b, block_b);
  if constexpr (G < 15) all_rounds_of_two<G + 1>(a, block_a, b, block_b);
}

[[gnu::always_inline]] inline void load(Lane& lane, const std::uint32_t* state) {
  const __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128(as_vector(state)), 0x1B);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(as_vector(state + 4)), 0x1B);
  lane.abef = _mm_unpackhi_epi64(efgh, abcd);
  lane.cdgh = _mm_unpacklo_epi64(efgh, abcd);
}

[[gnu::always_inline]] inline void store(const Lane& lane, std::uint32_t* state) {
  const __m128i abcd = _mm_unpackhi_epi64(lane.cdgh, lane.abef);
  const __m128i efgh = _mm_unpacklo_epi64(lane.cdgh, lane.abef);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_shuffle_epi32(abcd, 0x1B));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_shuffle_epi32(efgh, 0x1B));
}

[[gnu::always_inline]] inline void add(Lane& lane, const __m128i& abef, const __m128i& cdgh) {
  lane.abef = _mm_add_epi32(lane.abef, abef);
  lane.cdgh = _mm_add_epi32(lane.cdgh, cdgh);
}

}  // namespace

bool has_sha256_instructions() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return false;
  const bool has_shuffles = (c & bit_SSSE3) != 0 && (c & bit_SSE4_1) != 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return has_shuffles && (b & bit_SHA) != 0;
}

void compress_blocks(std::uint32_t* state, const std::uint8_t* data, std::size_t blocks) {
  Lane lane;
  load(lane, state);
  for (; blocks > 0; --blocks, data += kSha256Block) {
    const __m128i abef = lane.abef;
    const __m128i cdgh = lane.cdgh;
    all_rounds(lane, data);
    add(lane, abef, cdgh);
  }
  store(lane, state);
}

void compress_blocks_of_two(std::uint32_t* state_a, const std::uint8_t* data_a,
                            std::uint32_t* state_b, const std::uint8_t* data_b,
                            std::size_t blocks) {
  Lane a;
  Lane b;
  load(a, state_a);
  load(b, state_b);
  for (; blocks > 0; --blocks, data_a += kSha256Block, data_b += kSha256Block) {
    const __m128i a_abef = a.abef;
    const __m128i a_cdgh = a.cdgh;
    const __m128i b_abef = b.abef;
    const __m128i b_cdgh = b.cdgh;
    all_rounds_of_two(a, data_a, b, data_b);
    add(a, a_abef, a_cdgh);
    add(b, b_abef, b_cdgh);
  }
  store(a, state_a);
  store(b, state_b);
}

}  // namespace ondemand::hash

#else

namespace ondemand::hash {

bool has_sha256_instructions() {
  return false;
}
void compress_blocks(std::uint32_t*, const std::uint8_t*, std::size_t) {}
void compress_blocks_of_two(std::uint32_t*, const std::uint8_t*, std::uint32_t*,
                            const std::uint8_t*, std::size_t) {}

}  // namespace ondemand::hash

#endif
