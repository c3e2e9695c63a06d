// SPDX-License-Identifier: Apache-2.0
#include "view/kernel_view.h"

#include <gtest/gtest.h>

#include "blob/blob_writer.h"
#include "codec/zstd.h"
#include "hash/sha256.h"
#include "unit/erofs/test_tree.h"

namespace ondemand::view {
namespace {

using erofs::error_of;

util::Buffer pattern(std::size_t len) {
  util::Buffer bytes(len);
  for (std::size_t i = 0; i < len; ++i)
    bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  return bytes;
}

// A blob of three frames, made without the writer of the builder.
struct TestBlob {
  explicit TestBlob(blob::StoredForm form) : view(pattern(20000)) {
    index.set_form(form);
    codec::FrameCompressor compressor(3);
    for (std::size_t at = 0; at < view.size(); at += 8192) {
      const util::Bytes piece =
          util::Bytes(view).subspan(at, std::min<std::size_t>(8192, view.size() - at));
      util::Buffer frame(piece.begin(), piece.end());
      if (form == blob::StoredForm::kZstd) compressor.compress(piece, frame);
      index.append(frame.size(), piece.size(), hash::sha256(frame));
      stored.insert(stored.end(), frame.begin(), frame.end());
    }
  }
  FramedView open() {
    return FramedView(
        index,
        [this](std::uint64_t offset, util::MutableBytes out) {
          ++reads;
          std::copy_n(stored.begin() + static_cast<std::ptrdiff_t>(offset), out.size(),
                      out.begin());
        },
        "blob", 0, cache);
  }
  util::Buffer view;
  util::Buffer stored;
  blob::ChunkIndex index;
  FrameCache cache;
  int reads = 0;
};

util::Buffer read(KernelView& view, util::ByteRange range) {
  util::Buffer out;
  view.read(range,
            [&out](util::Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); });
  return out;
}

class FramedViewForms : public ::testing::TestWithParam<blob::StoredForm> {};

TEST_P(FramedViewForms, AnyRangeGivesItsBytes) {
  TestBlob blob(GetParam());
  FramedView view = blob.open();
  EXPECT_EQ(view.size(), 20000U);
  for (const util::ByteRange range : {util::ByteRange{0, 20000},
                                      {0, 1},
                                      {8191, 2},
                                      {8192, 8192},
                                      {19999, 1},
                                      {5, 0},
                                      {16000, 4000}}) {
    const auto first = blob.view.begin() + static_cast<std::ptrdiff_t>(range.offset);
    EXPECT_EQ(read(view, range),
              util::Buffer(first, first + static_cast<std::ptrdiff_t>(range.len)));
  }
  EXPECT_EQ(blob.reads, 3) << "each frame was fetched once";
}

TEST_P(FramedViewForms, TheRestOfTheLastBlockIsZerosAndNothingIsBehindIt) {
  TestBlob blob(GetParam());
  FramedView view = blob.open();
  EXPECT_EQ(read(view, {20000, 480}), util::Buffer(480));
  util::Buffer tail = read(view, {19999, 2});
  EXPECT_EQ(tail[0], blob.view[19999]);
  EXPECT_EQ(tail[1], 0);
  EXPECT_NE(error_of([&] { read(view, {20480, 1}); }), "");
  EXPECT_NE(error_of([&] { read(view, {0, ~std::uint64_t{0}}); }), "");
}

TEST_P(FramedViewForms, ABadFrameIsToldAndTheOthersAreRead) {
  TestBlob blob(GetParam());
  blob.stored[static_cast<std::size_t>(blob.index.frame(1).stored.offset) + 3] ^= 1;
  FramedView view = blob.open();
  EXPECT_EQ(read(view, {0, 8192}).size(), 8192U);
  EXPECT_EQ(error_of([&] {
              read(view, {8192, 1});
            }).substr(0, 29),
            "digest-mismatch: blob: frame ");
  EXPECT_EQ(read(view, {16384, 100}).size(), 100U);
}

INSTANTIATE_TEST_SUITE_P(Forms, FramedViewForms,
                         ::testing::Values(blob::StoredForm::kRaw, blob::StoredForm::kZstd));

// The digest is right, but what it protects is no frame of that length.
TEST(FramedView, AFrameOfAnotherLengthIsCorrupt) {
  TestBlob blob(blob::StoredForm::kZstd);
  blob::ChunkIndex index;
  index.set_form(blob::StoredForm::kZstd);
  const blob::Frame first = blob.index.frame(0);
  index.append(first.stored.len, first.uncompressed.len + 1, first.checksum);
  blob.index = index;
  FramedView view = blob.open();
  EXPECT_EQ(error_of([&] { read(view, {0, 1}); }).substr(0, 8), "corrupt:");
}

TEST(FrameCache, KeepsWhatWasUsedLastWithinItsBytes) {
  FrameCache cache(250);
  int loads = 0;
  const auto get = [&](std::size_t i) {
    cache.get(0, i, [&] {
      ++loads;
      return util::Buffer(100);
    });
  };
  get(1), get(2), get(1), get(3), get(1);
  EXPECT_EQ(loads, 3);
  get(2);
  EXPECT_EQ(loads, 4) << "2 had to go for 3";
  FrameCache tiny(1);
  EXPECT_EQ(tiny.get(0, 0, [] { return util::Buffer(9); })->size(), 9U);
  EXPECT_EQ(tiny.get(0, 0, [] { return util::Buffer(1); })->size(), 9U) << "the last one stays";
}

}  // namespace
}  // namespace ondemand::view
