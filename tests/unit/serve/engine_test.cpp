// SPDX-License-Identifier: Apache-2.0
#include "serve/engine.h"

#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <new>

#include "support/fake_source.h"
#include "support/frame_blob.h"
#include "util/text.h"

namespace ondemand::serve {
namespace {

using test::FakeSource;
using test::FrameBlob;
using test::make_frame_blob;
using test::MemoryTarget;
using test::numbered_bytes;
using util::ByteRange;
using util::Error;
using util::ErrorCode;
using util::kKiB;

using Outcome = std::optional<Error>;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    options_.lane.attempts = 2;
    options_.lane.first_backoff = std::chrono::milliseconds(1);
    options_.lane.max_backoff = std::chrono::milliseconds(2);
    options_.lane.max_request_bytes = 256 * kKiB;
    first_->put(blob_.blob->digest, blob_.stored);
  }
  Engine& engine() {
    if (!engine_) engine_ = std::make_unique<Engine>(sources_, options_, log_);
    return *engine_;
  }
  Outcome fetch(ByteRange range) {
    std::promise<Outcome> done;
    engine().submit(blob_.blob, target_, range, Priority::kDemand,
                    [&](const Outcome& outcome) { done.set_value(outcome); });
    return done.get_future().get();
  }
  void expect_present(ByteRange range) {
    EXPECT_TRUE(target_->missing(range).empty());
    const util::Buffer bytes = target_->bytes();
    const auto begin = static_cast<std::ptrdiff_t>(range.offset);
    const auto end = static_cast<std::ptrdiff_t>(range.end());
    EXPECT_TRUE(std::equal(bytes.begin() + begin, bytes.begin() + end, blob_.data.begin() + begin));
  }

  FrameBlob blob_ = make_frame_blob(numbered_bytes(1024 * kKiB, 7), 64 * kKiB);
  std::shared_ptr<MemoryTarget> target_ = std::make_shared<MemoryTarget>(blob_.blob->size);
  std::shared_ptr<FakeSource> first_ = std::make_shared<FakeSource>("first");
  std::shared_ptr<FakeSource> second_ = std::make_shared<FakeSource>("second");
  Sources sources_{first_, second_};
  EngineOptions options_;
  std::vector<std::string> lines_;  // read only after the engine is gone or idle
  util::Log log_{util::LogLevel::kDebug,
                 [this](util::LogLevel, std::string_view line) { lines_.emplace_back(line); }};
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, FillsExactlyTheFramesOfTheRange) {
  EXPECT_FALSE(fetch({70 * kKiB, 4096}));
  expect_present({64 * kKiB, 64 * kKiB});
  EXPECT_EQ(target_->missing({0, blob_.blob->size}),
            (std::vector<ByteRange>{{0, 64 * kKiB}, {128 * kKiB, 896 * kKiB}}));
  EXPECT_EQ(first_->reads(), (std::vector<ByteRange>{{64 * kKiB, 64 * kKiB}}));
  EXPECT_TRUE(second_->reads().empty());
}

TEST_F(EngineTest, FetchesNothingThatIsPresent) {
  EXPECT_FALSE(fetch({0, 64 * kKiB}));
  EXPECT_FALSE(fetch({4096, 4096}));
  EXPECT_EQ(first_->reads().size(), 1U);
}

TEST_F(EngineTest, JoinsNeighbouringMissesIntoBoundedRequests) {
  EXPECT_FALSE(fetch({0, 1024 * kKiB}));
  expect_present({0, 1024 * kKiB});
  EXPECT_EQ(first_->reads().size(), 4U);  // 16 frames of 64 KiB, 256 KiB a request
}

TEST_F(EngineTest, ClampsAnyRangeToTheBlob) {
  EXPECT_FALSE(fetch({1020 * kKiB, std::numeric_limits<std::uint64_t>::max()}));
  expect_present({960 * kKiB, 64 * kKiB});
  EXPECT_FALSE(fetch({std::numeric_limits<std::uint64_t>::max(), 10}));
  EXPECT_FALSE(fetch({0, 0}));
  EXPECT_EQ(first_->reads().size(), 1U);
}

TEST_F(EngineTest, DecompressesZstdFramesAndPadsTheLastBlock) {
  blob_ = make_frame_blob(numbered_bytes(100 * kKiB + 5, 3), 64 * kKiB, blob::StoredForm::kZstd);
  target_ = std::make_shared<MemoryTarget>(blob_.blob->size);
  first_->put(blob_.blob->digest, blob_.stored);
  EXPECT_FALSE(fetch({0, blob_.blob->size}));
  EXPECT_TRUE(target_->missing({0, blob_.blob->size}).empty());
  util::Buffer expected = blob_.data;
  expected.resize(static_cast<std::size_t>(blob_.blob->size));
  EXPECT_EQ(target_->bytes(), expected);
}

TEST_F(EngineTest, NeverOverwritesABlockThatIsPresent) {
  target_->write(4096, numbered_bytes(4096, 99));  // other bytes than the blob's
  EXPECT_FALSE(fetch({0, 64 * kKiB}));
  EXPECT_EQ(target_->overwritten_blocks(), 0U);
  expect_present({0, 4096});
  expect_present({8192, 56 * kKiB});
}

TEST_F(EngineTest, AsksTheNextSourceWhenOneLacksTheBlob) {
  sources_ = {second_, first_};  // the second has nothing
  EXPECT_FALSE(fetch({0, 4096}));
  expect_present({0, 64 * kKiB});
  EXPECT_EQ(second_->reads().size(), 1U);
}

TEST_F(EngineTest, AsksTheNextSourceWhenOneFails) {
  first_->fail_always(ErrorCode::kUnavailable);
  second_->put(blob_.blob->digest, blob_.stored);
  EXPECT_FALSE(fetch({0, 4096}));
  expect_present({0, 64 * kKiB});
}

TEST_F(EngineTest, AsksADeadSourceOnceAndThenTheOthersFirst) {
  first_->fail_always(ErrorCode::kTimeout);
  second_->put(blob_.blob->digest, blob_.stored);
  for (std::uint64_t frame = 0; frame < 16; ++frame)
    EXPECT_FALSE(fetch({frame * 64 * kKiB, 4096}));
  EXPECT_LT(first_->reads().size(), 16U);  // one, unless this takes longer than its rest
  EXPECT_EQ(second_->reads().size(), 16U);
}

TEST_F(EngineTest, AsksADeadSourceAgainWhereNoOtherHasTheBlob) {
  first_->fail_next(ErrorCode::kTimeout);
  EXPECT_FALSE(fetch({0, 4096}));
  expect_present({0, 64 * kKiB});
}

TEST_F(EngineTest, TellsOfADeadSourceButNotAtEveryFetch) {
  first_->fail_always(ErrorCode::kUnavailable);
  second_->put(blob_.blob->digest, blob_.stored);
  for (std::uint64_t frame = 0; frame < 16; ++frame)
    EXPECT_FALSE(fetch({frame * 64 * kKiB, 4096}));
  engine_.reset();
  ASSERT_FALSE(lines_.empty());
  EXPECT_LT(lines_.size(), 16U);  // one, unless this takes longer than the limit's period
  EXPECT_NE(lines_.front().find("origin failed source=first"), std::string::npos) << lines_.front();
}

TEST_F(EngineTest, NeverWritesAFrameWithAWrongDigest) {
  first_->flip_byte(blob_.blob->digest, 64 * kKiB + 100);
  const Outcome outcome = fetch({64 * kKiB, 4096});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->code(), ErrorCode::kDigestMismatch);
  EXPECT_TRUE(target_->writes().empty());
  engine_.reset();
  ASSERT_FALSE(lines_.empty());
  EXPECT_NE(lines_.front().find("bad data from an origin source=first"), std::string::npos);
}

TEST_F(EngineTest, TakesACorruptFrameFromTheNextSourceAndTheRestFromTheFirst) {
  first_->flip_byte(blob_.blob->digest, 64 * kKiB + 100);
  second_->put(blob_.blob->digest, blob_.stored);
  EXPECT_FALSE(fetch({0, 192 * kKiB}));
  expect_present({0, 192 * kKiB});
  EXPECT_EQ(first_->reads(), (std::vector<ByteRange>{{0, 192 * kKiB}}));
  EXPECT_EQ(second_->reads(), (std::vector<ByteRange>{{64 * kKiB, 64 * kKiB}}));
}

TEST_F(EngineTest, FailsOnlyTheRequestThatNeedsTheCorruptFrame) {
  first_->flip_byte(blob_.blob->digest, 64 * kKiB + 100);
  EXPECT_TRUE(fetch({0, 192 * kKiB}));
  expect_present({0, 64 * kKiB});  // the good frames of the same request are kept
  EXPECT_FALSE(fetch({128 * kKiB, 4096}));
}

TEST_F(EngineTest, FetchesTheFramesOfARunSinglyWhenTheRunIsCorrupt) {
  sources_ = {first_};
  first_->fail_next(ErrorCode::kCorrupt);  // the run
  first_->fail_next(ErrorCode::kCorrupt);  // its first frame
  EXPECT_TRUE(fetch({0, 192 * kKiB}));
  expect_present({64 * kKiB, 128 * kKiB});
  EXPECT_FALSE(target_->missing({0, 64 * kKiB}).empty());
  EXPECT_EQ(first_->reads().size(), 4U);
}

TEST_F(EngineTest, SaysOnceThatAFrameIsBadAndNamesTheBlobOnce) {
  sources_ = {first_};
  first_->flip_byte(blob_.blob->digest, 100);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(fetch({0, 4096}));
  engine_.reset();
  ASSERT_EQ(lines_.size(), 1U);
  const std::string hex = blob_.blob->digest.hex();
  EXPECT_EQ(lines_[0].find(hex), lines_[0].rfind(hex)) << lines_[0];
}

// Fails as no Target says it does.
class HopelessTarget : public Target {
 public:
  const std::string& name() const override { return name_; }
  std::vector<ByteRange> missing(ByteRange) override { throw std::bad_alloc(); }
  void write(std::uint64_t, util::Bytes) override { throw std::bad_alloc(); }

 private:
  std::string name_ = "hopeless";
};

TEST_F(EngineTest, CompletesOnceWhateverIsThrownInsideOfIt) {
  int calls = 0;
  engine().submit(blob_.blob, std::make_shared<HopelessTarget>(), {0, 4096}, Priority::kDemand,
                  [&](const Outcome& outcome) {
                    EXPECT_TRUE(outcome);
                    ++calls;
                  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(engine().requests_in_flight(), 0U);
}

TEST(LogLimit, LetsOneLinePerKeyAndPeriodThroughAndCountsTheOthers) {
  LogLimit limit(std::chrono::hours(1));
  EXPECT_EQ(limit.pass("a"), 0U);
  EXPECT_EQ(limit.pass("a"), std::nullopt);
  EXPECT_EQ(limit.pass("b"), 0U);
  LogLimit none(std::chrono::milliseconds(0));
  EXPECT_EQ(none.pass("a"), 0U);
  EXPECT_EQ(none.pass("a"), 0U);
}

TEST_F(EngineTest, NamesEveryCauseWhenAllSourcesFail) {
  first_->fail_always(ErrorCode::kIo);
  second_->fail_always(ErrorCode::kCorrupt);
  const Outcome outcome = fetch({0, 4096});
  ASSERT_TRUE(outcome);
  EXPECT_NE(outcome->message().find("first: scripted permanent fault"), std::string::npos)
      << outcome->message();
  EXPECT_EQ(outcome->code(), ErrorCode::kIo);
}

TEST_F(EngineTest, SaysSoWhenNoSourceHasTheBlob) {
  sources_ = {second_};
  const Outcome outcome = fetch({0, 4096});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->code(), ErrorCode::kNotFound);
  EXPECT_EQ(second_->reads().size(), 1U);  // not worth another try
}

TEST_F(EngineTest, TriesAgainAfterAPassingFailure) {
  options_.lane.attempts = 3;
  sources_ = {first_};
  first_->fail_next(ErrorCode::kUnavailable);
  first_->fail_next(ErrorCode::kTimeout);
  EXPECT_FALSE(fetch({0, 4096}));
  EXPECT_EQ(first_->reads().size(), 3U);
}

TEST_F(EngineTest, OutlivesAnOutageThatIsShorterThanTheTimeOfTheRequest) {
  options_.lane.attempts = LaneOptions().attempts;
  sources_ = {first_};
  for (int i = 0; i < 100; ++i)
    first_->fail_next(i % 2 == 0 ? ErrorCode::kUnavailable : ErrorCode::kTimeout);
  EXPECT_FALSE(fetch({0, 4096}));
  expect_present({0, 64 * kKiB});
  EXPECT_EQ(first_->reads().size(), 101U);
}

TEST_F(EngineTest, AnOutageThatLastsFailsTheRequestInItsTime) {
  options_.lane.attempts = LaneOptions().attempts;
  options_.request_timeout = std::chrono::milliseconds(50);
  sources_ = {first_};
  first_->fail_always(ErrorCode::kUnavailable);
  EXPECT_TRUE(fetch({0, 4096}));
}

TEST_F(EngineTest, SucceedsLaterAfterItFailed) {
  first_->fail_always(ErrorCode::kUnavailable);
  EXPECT_TRUE(fetch({0, 4096}));
  first_->fail_always(std::nullopt);
  EXPECT_FALSE(fetch({0, 4096}));
  expect_present({0, 64 * kKiB});
}

TEST_F(EngineTest, FailsARequestThatCannotBeWrittenAndOnlyThat) {
  target_->set_full(true);
  const Outcome outcome = fetch({0, 4096});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->errno_value(), 28);
  target_->set_full(false);
  EXPECT_FALSE(fetch({0, 4096}));
  expect_present({0, 64 * kKiB});
}

TEST_F(EngineTest, RefusesBytesThatTheIndexDoesNotDescribe) {
  blob::ChunkIndex index;
  index.append(64 * kKiB, 64 * kKiB, hash::Digest{});
  blob_.blob = make_blob(blob_.blob->digest, 1024 * kKiB, index);
  const Outcome outcome = fetch({128 * kKiB, 4096});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(target_->writes().empty());
}

TEST_F(EngineTest, CountsPerBlob) {
  EXPECT_FALSE(fetch({0, 4096}));
  EXPECT_FALSE(fetch({0, 4096}));
  first_->fail_always(ErrorCode::kNotFound);
  EXPECT_TRUE(fetch({128 * kKiB, 4096}));
  const std::vector<BlobStats> stats = engine().stats();
  ASSERT_EQ(stats.size(), 1U);
  EXPECT_EQ(stats[0].requests, 3U);
  EXPECT_EQ(stats[0].errors, 1U);
  EXPECT_EQ(stats[0].bytes_fetched, 64 * kKiB);
  EXPECT_NE(stats[0].last_error.find("scripted permanent fault"), std::string::npos);
}

TEST_F(EngineTest, AnswersAtTheDeadlineEvenIfTheSourceDoesNot) {
  options_.request_timeout = std::chrono::milliseconds(20);
  first_->hold(blob_.blob->digest);
  const Outcome outcome = fetch({0, 4096});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->code(), ErrorCode::kTimeout);
  first_->release(blob_.blob->digest);
}

}  // namespace
}  // namespace ondemand::serve
