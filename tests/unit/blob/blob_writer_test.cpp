// SPDX-License-Identifier: Apache-2.0
#include "blob/blob_writer.h"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "codec/zstd.h"
#include "hash/sha256.h"

namespace ondemand::blob {
namespace {

util::Buffer text_like(std::size_t len, unsigned seed) {
  std::mt19937 random(seed);
  util::Buffer bytes(len);
  for (auto& byte : bytes)
    byte = static_cast<std::uint8_t>('a' + random() % 6);
  return bytes;
}

struct Built {
  BlobResult result;
  util::Buffer stored;
  std::vector<std::uint32_t> starts;
};

Built build(const std::vector<util::Buffer>& chunks, BlobOptions options, std::size_t threads = 2) {
  util::ThreadPool pool(threads, 4);
  util::BufferSink sink;
  Built built;
  hash::DigestQueue digests(pool);
  BlobWriter writer(sink, options, pool, digests);
  for (const auto& chunk : chunks)
    built.starts.push_back(writer.append(chunk).value);
  built.result = writer.finish();
  built.stored = std::move(sink.buffer);
  return built;
}

// The kernel view by the frames alone: every checksum and every length is checked on the way.
util::Buffer read_back(const Built& built) {
  util::Buffer view(built.result.index.uncompressed_size());
  for (std::size_t i = 0; i < built.result.index.size(); ++i) {
    const Frame frame = built.result.index.frame(i);
    const auto stored = util::Bytes(built.stored).subspan(frame.stored.offset, frame.stored.len);
    EXPECT_EQ(hash::sha256(stored), frame.checksum);
    const auto out =
        util::MutableBytes(view).subspan(frame.uncompressed.offset, frame.uncompressed.len);
    if (built.result.index.form() == StoredForm::kZstd) {
      codec::decompress_frame(stored, out, "frame");
    } else {
      std::copy(stored.begin(), stored.end(), out.begin());
    }
  }
  return view;
}

const std::vector<util::Buffer>& sample() {
  static const std::vector<util::Buffer> kChunks = [] {
    std::vector<util::Buffer> chunks;
    for (unsigned i = 0; i < 60; ++i)
      chunks.push_back(text_like(1 + i * 2221 % 65536, i));
    chunks.push_back(text_like(300'000, 99));  // above the frame size: split
    chunks.push_back(text_like(4096, 100));
    return chunks;
  }();
  return kChunks;
}

TEST(BlobWriter, EveryChunkIsBlockAlignedPaddedAndReadBackFromVerifiedFrames) {
  for (const StoredForm form : {StoredForm::kRaw, StoredForm::kZstd}) {
    BlobOptions options;
    options.form = form;
    const Built built = build(sample(), options);
    const util::Buffer view = read_back(built);
    ASSERT_EQ(view.size(), std::size_t{built.result.nblocks} * 4096);
    for (std::size_t i = 0; i < sample().size(); ++i) {
      const auto first = view.begin() + std::ptrdiff_t{built.starts[i]} * 4096;
      const auto last = first + static_cast<std::ptrdiff_t>(sample()[i].size());
      EXPECT_TRUE(std::equal(first, last, sample()[i].begin())) << i;
      const auto next = i + 1 < built.starts.size() ? built.starts[i + 1] : built.result.nblocks;
      EXPECT_TRUE(std::all_of(last, view.begin() + std::ptrdiff_t{next} * 4096,
                              [](std::uint8_t byte) { return byte == 0; }));
    }
    EXPECT_EQ(built.result.digest, hash::sha256(built.stored));
    EXPECT_EQ(built.result.uncompressed_digest, hash::sha256(view));
    EXPECT_EQ(built.result.stored_size, built.stored.size());
  }
}

TEST(BlobWriter, FramesHoldWholeChunksUpToTheTargetSize) {
  BlobOptions options;
  const Built built = build(sample(), options);
  for (std::size_t i = 0; i < built.result.index.size(); ++i) {
    const auto range = built.result.index.frame(i).uncompressed;
    EXPECT_LE(range.len, options.frame_size);
    EXPECT_EQ(range.offset % 4096, 0U);
  }
  // Every frame but those of the one large chunk begins where a chunk begins.
  std::size_t elsewhere = 0;
  for (std::size_t i = 0; i < built.result.index.size(); ++i) {
    const auto block = built.result.index.frame(i).uncompressed.offset / 4096;
    if (std::find(built.starts.begin(), built.starts.end(), block) == built.starts.end())
      ++elsewhere;
  }
  EXPECT_EQ(elsewhere, 1U);
}

TEST(BlobWriter, ThreadsNeverChangeAByte) {
  BlobOptions options;
  const Built one = build(sample(), options, 1);
  options.frames_in_flight = 1;
  const Built other = build(sample(), options, 4);
  EXPECT_EQ(one.stored, other.stored);
  EXPECT_EQ(one.result.index.encode(), other.result.index.encode());
}

// Chunks as the builder gives them: behind each other in shared memory, some left out.
TEST(BlobWriter, ChunksInSharedMemoryGiveTheSameBlobAsCopies) {
  for (const std::size_t left_out : {std::size_t{1000}, std::size_t{2}, std::size_t{7}}) {
    for (const StoredForm form : {StoredForm::kRaw, StoredForm::kZstd}) {
      BlobOptions options;
      options.form = form;
      std::vector<util::Buffer> chunks;
      const auto memory = std::make_shared<util::Buffer>();
      std::vector<util::ByteRange> ranges;
      for (std::size_t i = 0; i < sample().size(); ++i) {
        const util::Buffer& chunk = sample()[i];
        const std::uint64_t start = memory->size();
        memory->insert(memory->end(), chunk.begin(), chunk.end());
        memory->resize((memory->size() + 4095) / 4096 * 4096);
        if (i % left_out == 1) continue;
        chunks.push_back(chunk);
        ranges.push_back({start, memory->size() - start});
      }
      util::ThreadPool pool(2, 4);
      hash::DigestQueue digests(pool);
      util::BufferSink sink;
      BlobWriter writer(sink, options, pool, digests);
      for (const util::ByteRange& range : ranges)
        writer.append({memory, util::Bytes(*memory).subspan(range.offset, range.len)});
      const BlobResult result = writer.finish();
      const Built want = build(chunks, options);
      EXPECT_EQ(sink.buffer, want.stored);
      EXPECT_EQ(result.digest, want.result.digest);
      EXPECT_EQ(result.index.encode(), want.result.index.encode());
      EXPECT_EQ(result.nblocks, want.result.nblocks);
    }
  }
}

TEST(BlobWriter, ABlobWithoutChunksIsEmpty) {
  const Built built = build({}, {});
  EXPECT_EQ(built.result.nblocks, 0U);
  EXPECT_TRUE(built.stored.empty());
}

class FullDisk : public util::ByteSink {
 public:
  void write(util::Bytes) override { throw std::runtime_error("disk full"); }
};

TEST(BlobWriter, AFailingSinkUnwindsWhileFramesAreInFlight) {
  util::ThreadPool pool(2, 4);
  FullDisk sink;
  hash::DigestQueue digests(pool);
  BlobWriter writer(sink, {}, pool, digests);
  EXPECT_THROW(
      {
        for (const auto& chunk : sample())
          writer.append(chunk);
        writer.finish();
      },
      std::runtime_error);
}

}  // namespace
}  // namespace ondemand::blob
