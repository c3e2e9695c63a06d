// SPDX-License-Identifier: Apache-2.0
#include "serve/fetch_plan.h"

#include <gtest/gtest.h>

#include <limits>

#include "serve/blob.h"
#include "serve/target.h"
#include "util/error.h"

namespace ondemand::serve {
namespace {

using util::ByteRange;
using util::kKiB;

// Frames of 64 KiB of kernel view, each stored in `stored_len` bytes; `tail` more bytes at the end.
blob::ChunkIndex make_index(std::size_t frames, std::uint64_t stored_len, std::uint64_t tail = 0) {
  blob::ChunkIndex index;
  index.set_form(blob::StoredForm::kZstd);
  for (std::size_t i = 0; i < frames; ++i)
    index.append(stored_len, 64 * kKiB, hash::Digest{});
  if (tail > 0) index.append(stored_len, tail, hash::Digest{});
  return index;
}

TEST(ClampRange, KeepsWhatLiesInsideAndNeverOverflows) {
  EXPECT_EQ(clamp_range({0, 100}, 50), (ByteRange{0, 50}));
  EXPECT_EQ(clamp_range({10, 20}, 50), (ByteRange{10, 20}));
  EXPECT_TRUE(clamp_range({50, 1}, 50).empty());
  const std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(clamp_range({4096, max}, 8192), (ByteRange{4096, 4096}));
  EXPECT_TRUE(clamp_range({max, max}, 8192).empty());
}

TEST(PlanFrames, NamesEachFrameOnceHoweverManyHolesItHas) {
  const blob::ChunkIndex index = make_index(4, 1000);
  const std::vector<ByteRange> holes{
      {0, 4096}, {8192, 4096}, {60 * kKiB, 8 * kKiB}, {192 * kKiB, 1}};
  const FramePlan plan = plan_frames(index, holes);
  EXPECT_EQ(plan.frames, (std::vector<std::size_t>{0, 1, 3}));
  EXPECT_FALSE(plan.uncovered);
}

TEST(PlanFrames, NeedsNothingForNothing) {
  EXPECT_TRUE(plan_frames(make_index(4, 1000), {}).frames.empty());
}

TEST(PlanFrames, ReportsBytesThatNoFrameHolds) {
  const blob::ChunkIndex index = make_index(1, 1000);
  const std::vector<ByteRange> holes{{60 * kKiB, 8 * kKiB}};
  const FramePlan plan = plan_frames(index, holes);
  EXPECT_EQ(plan.frames, (std::vector<std::size_t>{0}));
  EXPECT_TRUE(plan.uncovered);
}

TEST(PlanFrames, TakesTheRestOfTheLastBlockForPadding) {
  const blob::ChunkIndex index = make_index(1, 1000, 100);  // data ends 100 bytes into a block
  const std::vector<ByteRange> inside{{64 * kKiB, 4096}};
  EXPECT_FALSE(plan_frames(index, inside).uncovered);
  const std::vector<ByteRange> behind{{68 * kKiB, 4096}};
  EXPECT_TRUE(plan_frames(index, behind).uncovered);
  EXPECT_TRUE(plan_frames(blob::ChunkIndex(), behind).uncovered);
}

TEST(Coalesce, JoinsNeighboursOnly) {
  const blob::ChunkIndex index = make_index(10, 1000);
  const std::vector<std::size_t> frames{0, 1, 2, 5, 7, 8};
  EXPECT_EQ(coalesce(index, frames, 1 << 20), (std::vector<FrameRun>{{0, 3}, {5, 1}, {7, 2}}));
}

TEST(Coalesce, KeepsToTheLimitButTakesALargerFrameAlone) {
  const blob::ChunkIndex index = make_index(5, 1000);
  const std::vector<std::size_t> frames{0, 1, 2, 3, 4};
  EXPECT_EQ(coalesce(index, frames, 2500), (std::vector<FrameRun>{{0, 2}, {2, 2}, {4, 1}}));
  EXPECT_EQ(coalesce(index, frames, 10).size(), 5U);
}

TEST(StoredRange, CoversTheRunExactly) {
  EXPECT_EQ(stored_range(make_index(5, 1000), {1, 3}), (ByteRange{1000, 3000}));
}

TEST(MakeBlob, RefusesFramesThatBeginInsideABlock) {
  blob::ChunkIndex index;
  index.append(1000, 1000, hash::Digest{});
  index.append(3096, 3096, hash::Digest{});
  try {
    make_blob(hash::Digest{}, 4096, index);
    FAIL() << "accepted";
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kUnsupported);
  }
}

TEST(MakeBlob, RefusesAnIndexThatIsLargerThanTheBackingFile) {
  EXPECT_THROW(make_blob(hash::Digest{}, 64 * kKiB, make_index(2, 10)), util::Error);
  EXPECT_THROW(make_blob(hash::Digest{}, 1000, blob::ChunkIndex()), util::Error);
}

TEST(FrameBlocks, PadsTheLastFrameToItsBlock) {
  const BlobRef blob = make_blob(hash::Digest{}, 68 * kKiB, make_index(1, 1000, 100));
  EXPECT_EQ(frame_blocks(*blob, 0), (ByteRange{0, 64 * kKiB}));
  EXPECT_EQ(frame_blocks(*blob, 1), (ByteRange{64 * kKiB, 4096}));
}

}  // namespace
}  // namespace ondemand::serve
