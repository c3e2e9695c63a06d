// SPDX-License-Identifier: Apache-2.0
#include "input/layer.h"

#include <gtest/gtest.h>

#include "input/objects.h"
#include "input/spool.h"
#include "unit/store/store_support.h"

namespace ondemand::input {
namespace {

using test::digest_of;
using test::expect_error;
using util::ErrorCode;

LayerStream stream_of(std::string_view text, LayerExpectation expectation) {
  return {std::make_unique<util::MemorySource>(util::as_bytes(text)), expectation, "layer"};
}

TEST(LayerStream, VerifiesWhatNobodyReadToo) {
  const std::string text(200'000, 'x');
  LayerStream stream = stream_of(text, {digest_of(text), text.size(), digest_of(text), false});
  std::uint8_t one = 0;
  EXPECT_EQ(stream.read({&one, 1}), 1U);
  const LayerDigests digests = stream.finish();
  EXPECT_EQ(digests.stored_size, text.size());
  EXPECT_EQ(digests.diff_id, digest_of(text));
}

TEST(LayerStream, DigestsNothingThatNobodyExpects) {
  LayerStream stream = stream_of("some tar", {});
  const LayerDigests digests = stream.finish();
  EXPECT_EQ(digests.stored_size, 8U);
  EXPECT_FALSE(digests.stored);
  EXPECT_FALSE(digests.diff_id);
}

TEST(LayerStream, VerifiesBesideTheReadingToo) {
  const std::string text(3'000'000, 'x');
  util::ThreadPool pool(2, 4);
  hash::DigestQueue digests(pool);
  const auto open = [&](const hash::Digest& stored) {
    return std::make_unique<LayerStream>(
        std::make_unique<util::MemorySource>(util::as_bytes(text)),
        LayerExpectation{stored, text.size(), digest_of(text), false}, "layer", &digests);
  };
  EXPECT_EQ(open(digest_of(text))->finish().stored, digest_of(text));
  expect_error(ErrorCode::kDigestMismatch, "layer: verify: its digest is",
               [&] { open(digest_of("other"))->finish(); });
  util::Buffer some(100'000);
  EXPECT_GT(open(digest_of(text))->read(some), 0U) << "and may be left in the middle";
}

TEST(LayerStream, NamesWhatIsWrong) {
  const std::string text = "some tar";
  const hash::Digest right = digest_of(text);
  const hash::Digest wrong = digest_of("other");
  expect_error(ErrorCode::kDigestMismatch, "layer: verify: its digest is", [&] {
    stream_of(text, {wrong, text.size(), right, false}).finish();
  });
  expect_error(ErrorCode::kCorrupt, "has 8 bytes, not 9", [&] {
    stream_of(text, {right, 9, right, false}).finish();
  });
  expect_error(ErrorCode::kDigestMismatch, "diffID", [&] {
    stream_of(text, {right, text.size(), wrong, false}).finish();
  });
}

TEST(Spool, GivesBackWhatWasKeptThenTheRest) {
  std::string text;
  for (int i = 0; text.size() < Spool::kMemoryLimit + 100'000; ++i)
    text += std::to_string(i);
  for (const std::size_t kept : {std::size_t{0}, std::size_t{10}, text.size() - 5}) {
    auto rest = std::make_unique<util::MemorySource>(util::as_bytes(text));
    auto spool = std::make_unique<Spool>(std::filesystem::temp_directory_path());
    TeeSource tee(*rest, *spool, 1 << 30, "stream");
    util::Buffer read(kept);
    EXPECT_EQ(util::read_fully(tee, read), kept);
    ReplaySource replay(std::move(spool), std::move(rest));
    EXPECT_EQ(util::as_text(util::read_all(replay, text.size(), "x")), text);
  }
}

TEST(Spool, AFileHasEverything) {
  Spool spool(std::filesystem::temp_directory_path());
  spool.append(util::as_bytes("abc"));
  const util::Fd file = spool.take_file();
  util::Buffer out(3);
  util::pread_full(file.get(), out, 0, "x");
  EXPECT_EQ(util::as_text(out), "abc");
  expect_error(ErrorCode::kNotFound, "create temporary file",
               [] { open_unlinked_file("/nonexistent-directory"); });
}

TEST(ArchiveObjects, LinksAreFollowedInsideTheArchiveOnly) {
  const auto file = std::make_shared<const util::Fd>();
  const auto link = [](const char* path, const char* target) {
    return tar::MemberLocation{path, tar::EntryType::kSymlink, {}, target};
  };
  const ArchiveObjects objects(file,
                               {{"./x.tar", tar::EntryType::kRegular, {512, 7}, ""},
                                link("d/layer.tar", "../x.tar"),
                                {"h", tar::EntryType::kHardlink, {}, "./d/layer.tar"},
                                link("out", "../x.tar"),
                                link("loop", "loop"),
                                link("dangling", "nowhere")},
                               "a");
  EXPECT_EQ(objects.find("x.tar")->range, (util::ByteRange{512, 7}));
  EXPECT_EQ(objects.find("d/layer.tar")->range.len, 7U);
  EXPECT_EQ(objects.find("h")->range.len, 7U);
  for (const char* path : {"out", "loop", "dangling", "absent"})
    EXPECT_FALSE(objects.find(path));
}

}  // namespace
}  // namespace ondemand::input
