// SPDX-License-Identifier: Apache-2.0
// The compressed inputs are made by the real programs (gzip, zstd, xz) through a pipe.
#include "codec/decompress.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "util/error.h"
#include "util/fd.h"

namespace ondemand::codec {
namespace {

using testing::HasSubstr;
using util::Buffer;
using util::Bytes;

// Hands out `step` bytes at a time, to find states that span calls.
class DripSource : public util::ByteSource {
 public:
  DripSource(Bytes bytes, std::size_t step) : bytes_(bytes), step_(step) {}
  std::size_t read(util::MutableBytes out) override {
    const std::size_t len = std::min({out.size(), step_, bytes_.size()});
    std::copy_n(bytes_.begin(), len, out.begin());
    bytes_ = bytes_.subspan(len);
    return len;
  }

 private:
  Bytes bytes_;
  std::size_t step_;
};

Buffer sample(std::size_t size) {
  Buffer data(size);
  std::mt19937 random(7);
  for (std::size_t i = 0; i < size; ++i)
    data[i] = static_cast<std::uint8_t>(i % 97 < 60 ? i / 100 : random());
  return data;
}

// What `command` (reading standard input) makes of `data`.
Buffer run_filter(const std::string& command, Bytes data) {
  std::string directory = (std::filesystem::temp_directory_path() / "codec-XXXXXX").string();
  EXPECT_NE(::mkdtemp(directory.data()), nullptr);
  const std::filesystem::path base = directory;
  util::write_full(util::open_file(base / "in", O_WRONLY | O_CREAT).get(), data, "in");
  const std::string line =
      command + " < " + (base / "in").string() + " > " + (base / "out").string();
  EXPECT_EQ(std::system(line.c_str()), 0) << line;
  Buffer out = util::read_file(base / "out", 1u << 30);
  std::filesystem::remove_all(base);
  return out;
}

Buffer decompress(Compression compression, Bytes stored, std::size_t in_step = 1u << 20,
                  std::size_t out_step = 1u << 16) {
  DripSource inner(stored, in_step);
  const auto source = make_decompressor(compression, inner, "layer");
  Buffer out;
  Buffer piece(out_step);
  while (const std::size_t got = source->read(piece))
    out.insert(out.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  EXPECT_EQ(source->read(piece), 0u) << "the end stays the end";
  return out;
}

util::Error error_of(Compression compression, Bytes stored) {
  try {
    decompress(compression, stored);
  } catch (const util::Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return {util::ErrorCode::kInternal, ""};
}

Buffer joined(Buffer a, Bytes b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct Program {
  Compression compression;
  const char* command;
};

class DecompressTest : public testing::TestWithParam<Program> {};

TEST_P(DecompressTest, IsDetectedByItsMagicNumber) {
  EXPECT_EQ(detect_compression(run_filter(GetParam().command, sample(10))), GetParam().compression);
}

TEST_P(DecompressTest, GivesBackWhatTheProgramCompressed) {
  for (const std::size_t size : {0u, 1u, 65536u, 3000000u}) {
    const Buffer data = sample(size);
    EXPECT_EQ(decompress(GetParam().compression, run_filter(GetParam().command, data)), data)
        << size;
  }
}

TEST_P(DecompressTest, WorksWhateverTheSizesOfTheReads) {
  const Buffer data = sample(70000);
  const Buffer stored = run_filter(GetParam().command, data);
  EXPECT_EQ(decompress(GetParam().compression, stored, 1, 100000), data);
  EXPECT_EQ(decompress(GetParam().compression, stored, 100000, 1), data);
  EXPECT_EQ(decompress(GetParam().compression, stored, 7, 13), data);
}

TEST_P(DecompressTest, ReadsSeveralMembersAsOneStream) {
  const Buffer data = sample(100000);
  const Buffer stored = run_filter(GetParam().command, data);
  const Buffer empty = run_filter(GetParam().command, {});
  EXPECT_EQ(decompress(GetParam().compression, joined(joined(stored, empty), stored), 1009),
            joined(data, data));
}

TEST_P(DecompressTest, RefusesATruncationAtEveryByte) {
  const Buffer stored = run_filter(GetParam().command, sample(600));
  for (std::size_t len = 0; len < stored.size(); ++len) {
    const util::Error error = error_of(GetParam().compression, Bytes(stored).first(len));
    EXPECT_EQ(error.code(), util::ErrorCode::kCorrupt) << len;
    EXPECT_THAT(error.message(), HasSubstr("layer: decompress")) << len;
  }
}

TEST_P(DecompressTest, NeverGivesOtherDataWhenAByteIsFlipped) {
  const Buffer data = sample(600);
  Buffer stored = run_filter(GetParam().command, data);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    stored[i] ^= 0x10;
    try {
      EXPECT_EQ(decompress(GetParam().compression, stored), data) << i;  // a name or a time
    } catch (const util::Error&) {
    }
    stored[i] ^= 0x10;
  }
}

TEST_P(DecompressTest, RefusesTrailingGarbage) {
  const Buffer stored = run_filter(GetParam().command, sample(600));
  const util::Error error =
      error_of(GetParam().compression, joined(stored, util::as_bytes("tail")));
  EXPECT_EQ(error.code(), util::ErrorCode::kCorrupt);
}

INSTANTIATE_TEST_SUITE_P(Programs, DecompressTest,
                         testing::Values(Program{Compression::kGzip, "gzip -c"},
                                         Program{Compression::kGzip, "gzip -1 -N -c"},
                                         Program{Compression::kZstd, "zstd -q -c"},
                                         Program{Compression::kZstd, "zstd -q -19 --check -c"},
                                         Program{Compression::kXz, "xz -c"}));

TEST(Gzip, ToleratesZeroPaddingAndNothingBehindIt) {
  const Buffer data = sample(1000);
  const Buffer padded = joined(run_filter("gzip -c", data), Buffer(5000));
  EXPECT_EQ(decompress(Compression::kGzip, padded, 100), data);
  EXPECT_EQ(error_of(Compression::kGzip, joined(padded, padded)).code(), util::ErrorCode::kCorrupt);
  EXPECT_EQ(error_of(Compression::kGzip, Buffer(600)).code(), util::ErrorCode::kCorrupt);
}

TEST(Gzip, ReadsAHeaderWithNameCommentExtraFieldAndChecksum) {
  // FLG = FTEXT | FHCRC | FEXTRA | FNAME | FCOMMENT; the body is of `printf hi | gzip`.
  const Buffer body = run_filter("gzip -n -c", util::as_bytes("hi"));
  Buffer stored{0x1F, 0x8B, 8, 0x1D, 0, 0, 0, 0, 0, 3, 2, 0, 'x', 'y', 'n', 0, 'c', 0};
  stored = joined(stored, Bytes(body).subspan(10));
  for (const std::size_t step : {1u, 100u})
    EXPECT_EQ(util::as_text(decompress(Compression::kGzip, stored, step)), "hi");
}

TEST(Zstd, SkipsSkippableFramesInFrontBetweenAndBehind) {
  const Buffer skippable{0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};
  const Buffer data = sample(5000);
  const Buffer frame = run_filter("zstd -q -c", data);
  EXPECT_EQ(detect_compression(skippable), Compression::kZstd);
  const Buffer stored =
      joined(joined(joined(joined(skippable, frame), skippable), frame), skippable);
  EXPECT_EQ(decompress(Compression::kZstd, stored, 3), joined(data, data));
}

TEST(Zstd, RefusesAWindowAboveTheLimit) {
  // Frame header: no content size, window descriptor 2^(10+21) bytes.
  const Buffer stored{0x28, 0xB5, 0x2F, 0xFD, 0x00, 21 << 3, 0x01, 0x00, 0x00};
  EXPECT_EQ(error_of(Compression::kZstd, stored).code(), util::ErrorCode::kTooLarge);
}

TEST(Detect, TakesEverythingElseForPlain) {
  EXPECT_EQ(detect_compression({}), Compression::kNone);
  EXPECT_EQ(detect_compression(util::as_bytes("\x1f")), Compression::kNone);
  EXPECT_EQ(detect_compression(util::as_bytes("./etc/")), Compression::kNone);
  EXPECT_EQ(decompress(Compression::kNone, sample(100000)), sample(100000));
}

}  // namespace
}  // namespace ondemand::codec
