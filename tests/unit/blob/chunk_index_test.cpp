// SPDX-License-Identifier: Apache-2.0
#include "blob/chunk_index.h"

#include <gtest/gtest.h>

#include "hash/sha256.h"
#include "util/error.h"

namespace ondemand::blob {
namespace {

using util::ErrorCode;

ChunkIndex three_frames() {
  ChunkIndex index;
  index.set_form(StoredForm::kZstd);
  index.append(100, 4096, hash::sha256(util::as_bytes("a")));
  index.append(50, 8192, hash::sha256(util::as_bytes("b")));
  index.append(7, 4096, hash::sha256(util::as_bytes("c")));
  return index;
}

ErrorCode decode_error(const util::Buffer& payload, std::uint64_t stored_end = 157) {
  try {
    ChunkIndex::decode(payload, "index", stored_end);
  } catch (const util::Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "accepted";
  return ErrorCode::kInternal;
}

TEST(ChunkIndex, EncodesTheBytesOfTheSpecification) {
  const util::Buffer bytes = three_frames().encode();
  ASSERT_EQ(bytes.size(), 32U + 3 * 48);
  const util::Buffer head(bytes.begin(), bytes.begin() + 32);
  const util::Buffer expected{0xCD, 0xE4, 0xEC, 0x67, 1, 1,  0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0,
                              3,    0,    0,    0,    1, 32, 0, 0, 0, 0,    0, 0, 0, 0, 0, 0};
  EXPECT_EQ(head, expected);
  EXPECT_EQ(bytes[32 + 48], 100) << "second entry's blob offset";
  EXPECT_EQ(bytes[32 + 48 + 9], 0x10) << "second entry's uncompressed offset 0x1000";
}

TEST(ChunkIndex, RoundTripsAndFindsFramesByOffset) {
  const ChunkIndex index = ChunkIndex::decode(three_frames().encode(), "index", 157);
  ASSERT_EQ(index.size(), 3U);
  EXPECT_EQ(index.form(), StoredForm::kZstd);
  EXPECT_EQ(index.uncompressed_size(), 16384U);
  EXPECT_EQ(index.stored_end(), 157U);
  EXPECT_EQ(index.frame(1).stored, (util::ByteRange{100, 50}));
  EXPECT_EQ(index.frame(1).uncompressed, (util::ByteRange{4096, 8192}));
  EXPECT_EQ(index.find(0), 0U);
  EXPECT_EQ(index.find(4095), 0U);
  EXPECT_EQ(index.find(4096), 1U);
  EXPECT_EQ(index.find(16383), 2U);
  EXPECT_EQ(index.encode(), three_frames().encode());
}

TEST(ChunkIndex, AnEmptyBlobHasNoFrames) {
  const ChunkIndex index = ChunkIndex::decode(ChunkIndex().encode(), "index", 0);
  EXPECT_EQ(index.size(), 0U);
  EXPECT_EQ(index.uncompressed_size(), 0U);
}

TEST(ChunkIndex, RefusesEveryTruncation) {
  const util::Buffer whole = three_frames().encode();
  for (std::size_t len = 0; len < whole.size(); ++len) {
    const util::Buffer part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(len));
    EXPECT_EQ(decode_error(part), ErrorCode::kCorrupt) << len;
  }
  util::Buffer longer = whole;
  longer.push_back(0);
  EXPECT_EQ(decode_error(longer), ErrorCode::kCorrupt);
}

TEST(ChunkIndex, TellsCorruptFromUnsupported) {
  struct Case {
    std::size_t at;
    std::uint8_t value;
    ErrorCode code;
    const char* what;
  };
  for (const Case& c :
       {Case{0, 0, ErrorCode::kCorrupt, "magic"}, Case{4, 2, ErrorCode::kUnsupported, "version"},
        Case{5, 2, ErrorCode::kUnsupported, "compression"},
        Case{6, 1, ErrorCode::kUnsupported, "flags"},
        Case{8, 1, ErrorCode::kCorrupt, "raw length must fit"},
        Case{15, 0x80, ErrorCode::kTooLarge, "frame size"},
        Case{20, 2, ErrorCode::kCorrupt, "hash algorithm"},
        Case{21, 64, ErrorCode::kCorrupt, "hash size changes the length"},
        Case{31, 1, ErrorCode::kCorrupt, "reserved"},
        Case{40, 1, ErrorCode::kCorrupt, "first offset"},
        Case{32 + 48 + 1, 9, ErrorCode::kCorrupt, "stored offsets descend"},
        Case{32 + 96 + 9, 0x10, ErrorCode::kCorrupt, "view offsets do not grow"}}) {
    util::Buffer bytes = three_frames().encode();

    bytes[5] = c.at == 8 ? 0 : 1;
    bytes[c.at] = c.value;
    EXPECT_EQ(decode_error(bytes), c.code) << c.what;
  }
}

TEST(ChunkIndex, RefusesFramesThatEndBeyondTheBlob) {
  EXPECT_EQ(decode_error(three_frames().encode(), 150), ErrorCode::kCorrupt);
}

TEST(ChunkIndex, IndexWithoutChecksumsIsUnsupported) {
  util::Buffer bytes = three_frames().encode();
  bytes.resize(32 + 3 * 16);
  bytes[20] = 0;
  bytes[21] = 0;
  EXPECT_EQ(decode_error(bytes), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace ondemand::blob
