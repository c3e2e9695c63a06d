// SPDX-License-Identifier: Apache-2.0
#include "image/data_pipeline.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "util/error.h"
#include "util/stream.h"

namespace ondemand::image {
namespace {

constexpr std::uint32_t kChunk = 8192;

util::Buffer filled(std::size_t len, std::uint8_t seed) {
  util::Buffer bytes(len);
  for (std::size_t i = 0; i < len; ++i)
    bytes[i] = static_cast<std::uint8_t>(i * seed + i / 300 + seed);
  return bytes;
}

// One raw blob, so that what an extent names can be compared byte for byte.
struct Harness {
  util::ThreadPool pool{2, 8};
  hash::DigestQueue digests{pool};
  util::BufferSink sink;
  blob::BlobWriter writer;
  std::map<tree::InodeId, chunk::Extents> extents;
  DataPipeline data;

  explicit Harness(ZeroChunks zero_chunks = ZeroChunks::kHole, bool is_lossy = false)
      : writer(sink, options(), pool, digests),
        data(
            kChunk, 2, pool,
            [this](tree::InodeId inode, const chunk::Extent& extent) {
              chunk::append_extent(extents[inode], extent);
            },
            zero_chunks, is_lossy) {
    data.begin_blob(writer, {1});
  }
  static blob::BlobOptions options() {
    blob::BlobOptions raw;
    raw.form = blob::StoredForm::kRaw;
    return raw;
  }
  void file(tree::InodeId inode, const util::Buffer& bytes) {
    data.begin_file(inode, bytes.size());
    data.add(0, bytes);
    data.end_file();
  }
  util::Buffer finish() {
    data.end_blob();
    writer.finish();
    return sink.buffer;
  }
};

TEST(DataPipeline, EqualChunksAreStoredOnceAndEveryExtentNamesItsBytes) {
  Harness h;
  const util::Buffer a = filled(3 * kChunk + 100, 3);
  util::Buffer b = filled(kChunk, 7);
  b.insert(b.end(), a.begin() + kChunk, a.begin() + 2 * kChunk);  // a's second chunk again
  h.file(1, a);
  h.file(2, b);
  const util::Buffer view = h.finish();
  EXPECT_EQ(h.extents[1], (chunk::Extents{{0, 7, {0}, {1}}}));
  EXPECT_EQ(h.extents[2], (chunk::Extents{{0, 2, {7}, {1}}, {2, 2, {2}, {1}}}));
  EXPECT_EQ(view.size(), 9U * 4096);
  EXPECT_TRUE(std::equal(a.begin(), a.end(), view.begin()));
  const DataStats& stats = h.data.stats();
  EXPECT_EQ(stats.input_bytes, a.size() + b.size());
  EXPECT_EQ(stats.shared_bytes, kChunk);
  EXPECT_EQ(stats.unique_chunks, 5U);
}

TEST(DataPipeline, WholeChunksOfZerosAreHolesAndInNoBlob) {
  Harness h;
  util::Buffer bytes(4 * kChunk);
  bytes[2 * kChunk + 5] = 1;
  h.file(1, bytes);
  h.file(2, util::Buffer(100));
  const util::Buffer view = h.finish();
  EXPECT_EQ(h.extents[1], (chunk::Extents{{4, 2, {0}, {1}}}));
  EXPECT_TRUE(h.extents[2].empty());
  EXPECT_EQ(view.size(), kChunk);
  EXPECT_EQ(h.data.stats().hole_bytes, 3U * kChunk + 100);
}

TEST(DataPipeline, HolesOfSparseFilesAreCountedAndCostNothing) {
  Harness h;
  h.data.begin_file(1, std::uint64_t{100} << 30);
  h.data.add(std::uint64_t{50} << 30, util::as_bytes("x"));
  h.data.end_file();
  const util::Buffer view = h.finish();
  EXPECT_EQ(h.extents[1], (chunk::Extents{{(std::uint64_t{50} << 30) / 4096, 2, {0}, {1}}}));
  EXPECT_EQ(view.size(), kChunk);
  EXPECT_EQ(h.data.stats().hole_bytes, (std::uint64_t{100} << 30) - kChunk);
}

TEST(DataPipeline, ZerosAsDataShareOneChunk) {
  Harness h(ZeroChunks::kData);
  util::Buffer bytes(4 * kChunk);
  bytes[2 * kChunk + 5] = 1;
  h.file(1, bytes);
  h.file(2, util::Buffer(100));
  h.file(3, util::Buffer(100));
  h.file(4, {});
  const util::Buffer view = h.finish();
  EXPECT_EQ(h.extents[1], (chunk::Extents{{0, 2, {0}, {1}}, {2, 4, {0}, {1}}, {6, 2, {0}, {1}}}));
  EXPECT_EQ(h.extents[2], (chunk::Extents{{0, 1, {4}, {1}}}));
  EXPECT_EQ(h.extents[3], h.extents[2]);
  EXPECT_TRUE(h.extents[4].empty());
  EXPECT_EQ(view.size(), 2 * kChunk + 4096);
  EXPECT_EQ(h.data.stats().hole_bytes, 0U);
  EXPECT_EQ(h.data.stats().unique_bytes, 2U * kChunk + 100);
  EXPECT_EQ(h.data.stats().shared_bytes, 2U * kChunk + 100);
}

TEST(DataPipeline, HolesAsDataLeaveNoBlockOfAFileOutAndEqualZerosThatAreThere) {
  const auto fill = [](bool is_sparse) {
    Harness h(ZeroChunks::kData);
    constexpr std::uint64_t kSize = 10 * kChunk + 300;
    h.data.begin_file(1, kSize);
    if (is_sparse) {
      h.data.add(3 * kChunk + 10, util::as_bytes("x"));
      h.data.add(6 * kChunk, util::as_bytes("y"));
    } else {
      util::Buffer bytes(kSize);
      bytes[3 * kChunk + 10] = 'x';
      bytes[6 * kChunk] = 'y';
      h.data.add(0, bytes);
    }
    h.data.end_file();
    h.data.begin_file(2, 50);  // nothing but a hole
    h.data.end_file();
    const util::Buffer view = h.finish();
    std::uint64_t next = 0;
    for (const chunk::Extent& extent : h.extents[1]) {
      EXPECT_EQ(extent.file_block, next);
      next += extent.nblocks;
    }
    EXPECT_EQ(next, kSize / 4096 + 1);
    EXPECT_EQ(h.extents[2].size(), 1U);
    EXPECT_EQ(view.size(), 3 * kChunk + 2 * 4096);
    const DataStats& stats = h.data.stats();
    EXPECT_EQ(stats.hole_bytes, 0U);
    EXPECT_EQ(stats.unique_bytes + stats.shared_bytes, stats.input_bytes);
    EXPECT_EQ(stats.unique_chunks + stats.shared_chunks, 12U);
    return std::pair(h.extents, view);
  };
  EXPECT_EQ(fill(true), fill(false));
}

TEST(DataPipeline, HolesAsDataAreDigestedOnceAndBounded) {
  Harness h(ZeroChunks::kData);
  h.data.begin_file(1, std::uint64_t{1} << 30);
  h.data.end_file();
  EXPECT_EQ(h.finish().size(), kChunk);
  EXPECT_EQ(h.extents[1].size(), (1U << 30) / kChunk);
  EXPECT_EQ(h.data.stats().shared_bytes, (1U << 30) - kChunk);

  Harness too_long(ZeroChunks::kData);
  too_long.data.begin_file(1, std::uint64_t{1} << 62);
  try {
    too_long.data.end_file();
    ADD_FAILURE() << "is taken";
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kTooLarge);
    EXPECT_NE(error.message().find("16777216 chunk entries in a file"), std::string::npos)
        << error.message();
  }
}

TEST(DataPipeline, TheHolesOfAllFilesTogetherAreBounded) {
  for (const bool is_lossy : {false, true}) {
    util::ThreadPool pool(2, 8);
    std::uint64_t extents = 0;
    DataPipeline data(
        4096, 2, pool, [&](tree::InodeId, const chunk::Extent&) { ++extents; }, ZeroChunks::kData,
        is_lossy);
    data.begin_blob(
        [](const hash::Digest&, const util::SharedBytes&) { return util::BlockAddr{0}; }, {1});
    for (tree::InodeId inode = 1; inode <= 2; ++inode) {
      data.begin_file(inode, kMaxFilledChunks / 2 * 4096);
      data.end_file();
    }
    data.begin_file(3, 4096);
    try {
      data.end_file();
      EXPECT_TRUE(is_lossy) << "is taken";
    } catch (const util::Error& error) {
      EXPECT_EQ(error.code(), util::ErrorCode::kTooLarge);
      EXPECT_NE(error.message().find("8388608 chunks in all holes"), std::string::npos);
      EXPECT_NE(error.message().find("--chunk-size"), std::string::npos) << error.message();
    }
    data.end_blob();
    EXPECT_EQ(extents, kMaxFilledChunks);
    EXPECT_EQ(data.too_sparse().count(3), is_lossy ? 1U : 0U);
  }
}

TEST(DataPipeline, FilesWithHolesThatCannotBeFilledAreTold) {
  Harness h(ZeroChunks::kData, true);
  h.data.begin_file(1, std::uint64_t{1} << 50);
  h.data.add(std::uint64_t{1} << 49, util::as_bytes("x"));
  h.data.end_file();
  h.data.begin_file(2, 3 * kChunk);
  h.data.end_file();
  h.finish();
  EXPECT_EQ(h.data.too_sparse(), (DataPipeline::TooSparse{{1, (std::uint64_t{1} << 50) / kChunk}}));
  EXPECT_LE(h.extents[1].size(), 2U);
  EXPECT_EQ(h.extents[2].size(), 3U);
}

TEST(DataPipeline, ManySmallFilesKeepTheirOrder) {
  Harness h;
  std::vector<util::Buffer> files;
  for (unsigned i = 0; i < 5000; ++i) {
    files.push_back(util::Buffer(4, 0));
    for (unsigned b = 0; b < 4; ++b)
      files.back()[b] = static_cast<std::uint8_t>((i + 1) >> (8 * b));
    h.file(i, files.back());
  }
  const util::Buffer view = h.finish();
  for (unsigned i = 0; i < 5000; ++i) {
    ASSERT_EQ(h.extents[i].size(), 1U);
    const auto at = view.begin() + std::ptrdiff_t{h.extents[i][0].start.value} * 4096;
    ASSERT_TRUE(std::equal(files[i].begin(), files[i].end(), at)) << i;
    ASSERT_EQ(h.extents[i][0].start.value, i) << "small files lie in the order of the archive";
  }
}

// Whoever holds a chunk holds all of the memory in which it lies.
TEST(DataPipeline, NewChunksDoNotHoldTheMemoryOfZerosAndDuplicatesBetweenThem) {
  util::ThreadPool pool(2, 8);
  std::vector<util::SharedBytes> taken;
  DataPipeline data(4096, 2, pool, [](tree::InodeId, const chunk::Extent&) {});
  const auto take = [&taken](const hash::Digest&, const util::SharedBytes& chunk) {
    taken.push_back(chunk);
    return util::BlockAddr{static_cast<std::uint32_t>(taken.size() - 1)};
  };
  data.begin_blob(take, {1});
  // In each MiB: two new chunks, one of them 100 times, and zeros.
  constexpr unsigned kFiles = 20;
  for (unsigned file = 0; file < kFiles; ++file) {
    util::Buffer bytes(1 << 20);
    for (std::size_t at = 0; at < 100; ++at)
      bytes[at * 8192] = static_cast<std::uint8_t>(file + 1);
    bytes[1023 * 1024] = 200;
    bytes[1023 * 1024 + 1] = static_cast<std::uint8_t>(file);
    data.begin_file(file, bytes.size());
    data.add(0, bytes);
    data.end_file();
  }
  data.end_blob();
  ASSERT_EQ(taken.size(), 2 * kFiles);
  for (unsigned file = 0; file < kFiles; ++file) {
    const util::SharedBytes& first = taken[2 * std::size_t{file}];
    const util::SharedBytes& second = taken[2 * std::size_t{file} + 1];
    EXPECT_EQ(first.bytes[0], file + 1);
    EXPECT_EQ(second.bytes[3072], 200);
    EXPECT_EQ(second.bytes[3073], file);
    ASSERT_EQ(first.owner, second.owner);
    EXPECT_EQ(first.bytes.data() + 4096, second.bytes.data());
  }
}

}  // namespace
}  // namespace ondemand::image
