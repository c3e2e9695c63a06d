// SPDX-License-Identifier: Apache-2.0
#include "chunk/chunker.h"

#include <gtest/gtest.h>

#include <map>

#include "util/error.h"

namespace ondemand::chunk {
namespace {

constexpr std::uint32_t kChunk = 4096;

// Gathers what is emitted, by offset.
struct Gather {
  std::map<std::uint64_t, util::Buffer> chunks;
  Chunker chunker{
      kChunk, [this](std::uint64_t offset, util::Bytes bytes) {
        EXPECT_TRUE(chunks.emplace(offset, util::Buffer(bytes.begin(), bytes.end())).second);
      }};
};

util::Buffer pattern(std::size_t len) {
  util::Buffer bytes(len);
  for (std::size_t i = 0; i < len; ++i)
    bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251 + 1);
  return bytes;
}

TEST(Chunker, CutsTheSameWhateverThePieces) {
  const util::Buffer data = pattern(3 * kChunk + 100);
  for (const std::size_t piece : {1UL, 100UL, 4095UL, 4096UL, 4097UL, data.size()}) {
    Gather gather;
    gather.chunker.begin_file(data.size());
    for (std::size_t at = 0; at < data.size(); at += piece)
      gather.chunker.add(at, util::Bytes(data).subspan(at, std::min(piece, data.size() - at)));
    gather.chunker.end_file();
    ASSERT_EQ(gather.chunks.size(), 4U) << piece;
    for (const auto& [offset, bytes] : gather.chunks) {
      const auto first = data.begin() + static_cast<std::ptrdiff_t>(offset);
      EXPECT_EQ(bytes.size(), std::min<std::size_t>(kChunk, data.size() - offset));
      EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), first)) << piece << " at " << offset;
    }
  }
}

TEST(Chunker, WholeAbsentChunksAreNotEmittedAndGapsInsideAreZeros) {
  Gather gather;
  gather.chunker.begin_file(10 * kChunk);
  gather.chunker.add(2 * kChunk + 10, util::as_bytes("ab"));
  gather.chunker.add(2 * kChunk + 20, util::as_bytes("c"));
  gather.chunker.add(9 * kChunk + 1, util::as_bytes("d"));
  gather.chunker.end_file();
  ASSERT_EQ(gather.chunks.size(), 2U);
  util::Buffer third(kChunk);
  third[10] = 'a';
  third[11] = 'b';
  third[20] = 'c';
  EXPECT_EQ(gather.chunks.at(2 * kChunk), third);
  util::Buffer last(kChunk);
  last[1] = 'd';
  EXPECT_EQ(gather.chunks.at(9 * kChunk), last);
}

TEST(Chunker, StaleBytesOfAFileBeforeNeverShow) {
  Gather gather;
  const util::Buffer data = pattern(100);
  gather.chunker.begin_file(100);
  gather.chunker.add(0, data);
  gather.chunker.end_file();
  gather.chunks.clear();
  gather.chunker.begin_file(200);
  gather.chunker.add(150, util::as_bytes("x"));
  gather.chunker.end_file();
  util::Buffer expected(200);
  expected[150] = 'x';
  EXPECT_EQ(gather.chunks.at(0), expected);
}

TEST(Chunker, EmptyFilesAndPureHolesEmitNothing) {
  Gather gather;
  gather.chunker.begin_file(0);
  gather.chunker.end_file();
  gather.chunker.begin_file(UINT64_MAX);
  gather.chunker.end_file();
  EXPECT_TRUE(gather.chunks.empty());
}

TEST(Chunker, RefusesBytesThatOverlapOrPassTheEnd) {
  Gather gather;
  gather.chunker.begin_file(10);
  gather.chunker.add(0, util::as_bytes("abc"));
  EXPECT_THROW(gather.chunker.add(2, util::as_bytes("d")), util::Error);
  EXPECT_THROW(gather.chunker.add(9, util::as_bytes("de")), util::Error);
  EXPECT_THROW(gather.chunker.add(UINT64_MAX, util::as_bytes("d")), util::Error);
}

}  // namespace
}  // namespace ondemand::chunk
