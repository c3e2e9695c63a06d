// SPDX-License-Identifier: Apache-2.0
#include "codec/zstd.h"

#include <gtest/gtest.h>

#include "util/error.h"

namespace ondemand::codec {
namespace {

using util::Buffer;
using util::Bytes;
using util::ErrorCode;

Buffer sample(std::size_t size) {
  Buffer data(size);
  for (std::size_t i = 0; i < size; ++i)
    data[i] = static_cast<std::uint8_t>(i * i / 1000);
  return data;
}

Buffer compressed(Bytes data, int level = 3) {
  Buffer out;
  FrameCompressor(level).compress(data, out);
  return out;
}

ErrorCode code_of(Bytes stored, std::size_t size) {
  Buffer out(size);
  try {
    decompress_frame(stored, out, "frame 7");
  } catch (const util::Error& error) {
    EXPECT_EQ(error.message().rfind("frame 7: decompress zstd frame: ", 0), 0u) << error.what();
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

TEST(ZstdFrame, RoundTripsAtEverySizeAndLevel) {
  for (const int level : {-5, 1, 3, 19}) {
    FrameCompressor compressor(level);
    Buffer stored;
    for (const std::size_t size : {0u, 1u, 4096u, 262144u, 1000000u}) {
      compressor.compress(sample(size), stored);
      Buffer out(size);
      decompress_frame(stored, out, "frame");
      EXPECT_EQ(out, sample(size)) << level << ' ' << size;
    }
  }
}

TEST(ZstdFrame, CarriesItsContentSizeAndNoChecksum) {
  const Buffer stored = compressed(sample(4096));
  ASSERT_GT(stored.size(), 7u);
  // RFC 8878 3.1.1.1: descriptor = 2-byte content size (01), single segment, no checksum.
  EXPECT_EQ(stored[4], 0x60);
  EXPECT_EQ(stored[5] | stored[6] << 8, 4096 - 256);
}

TEST(ZstdFrame, IsTheSameBytesFromAFreshAndAUsedContext) {
  FrameCompressor used(3);
  Buffer first, second;
  used.compress(sample(300000), first);
  used.compress(sample(5000), first);
  FrameCompressor(3).compress(sample(5000), second);
  EXPECT_EQ(first, second);
}

TEST(ZstdFrame, TakesExplicitParametersAndRefusesBadOnes) {
  ZstdParameters parameters;
  parameters.hash_log = 16;
  parameters.chain_log = 15;
  parameters.min_match = 5;
  parameters.strategy = 3;
  FrameCompressor compressor(3, parameters);
  Buffer stored, out(100000);
  compressor.compress(sample(out.size()), stored);
  decompress_frame(stored, out, "frame");
  EXPECT_EQ(out, sample(out.size()));

  parameters.strategy = 99;
  EXPECT_THROW(FrameCompressor(3, parameters), util::Error);
  EXPECT_THROW(FrameCompressor(1000), util::Error);
}

TEST(ZstdFrame, IsRefusedUnlessItIsOneWholeFrameOfTheExpectedSize) {
  const Buffer stored = compressed(sample(10000));
  for (std::size_t len = 0; len < stored.size(); ++len)
    EXPECT_EQ(code_of(Bytes(stored).first(len), 10000), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(stored, 9999), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(stored, 10001), ErrorCode::kCorrupt);

  Buffer two = stored;
  two.insert(two.end(), stored.begin(), stored.end());
  EXPECT_EQ(code_of(two, 20000), ErrorCode::kCorrupt);
  const Buffer skippable{0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0};
  EXPECT_EQ(code_of(skippable, 0), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(util::as_bytes("not zstd at all"), 10), ErrorCode::kCorrupt);
}

TEST(ZstdFrame, DamageIsAnErrorAndNeverACrash) {
  Buffer stored = compressed(sample(3000));
  for (std::size_t i = 0; i < stored.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      stored[i] ^= static_cast<std::uint8_t>(1 << bit);
      Buffer out(3000);
      try {
        decompress_frame(stored, out, "frame");
      } catch (const util::Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
      }
      stored[i] ^= static_cast<std::uint8_t>(1 << bit);
    }
  }
}

}  // namespace
}  // namespace ondemand::codec
