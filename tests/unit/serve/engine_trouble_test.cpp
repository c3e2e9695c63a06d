// SPDX-License-Identifier: Apache-2.0
//
// Requests that meet another's trouble, or find no memory.
#include <atomic>

#include "support/no_memory.h"
#include "unit/serve/engine_fixture.h"

namespace ondemand::serve {
namespace {

using test::FrameBlob;
using test::make_frame_blob;
using test::MemoryTarget;
using test::numbered_bytes;
using util::ByteRange;
using util::Error;
using util::kKiB;

class EngineTroubleTest : public EngineFixture {
 protected:
  EngineTroubleTest() { source_->put(blob_.blob->digest, blob_.stored); }
  std::future<Outcome> submit(const BlobRef& blob, ByteRange range,
                              std::optional<std::chrono::steady_clock::time_point> deadline = {}) {
    return submit_to(target_, blob, range, Priority::kDemand, deadline);
  }

  FrameBlob blob_ = make_frame_blob(numbered_bytes(512 * kKiB, 1), 64 * kKiB);
  std::shared_ptr<MemoryTarget> target_ = std::make_shared<MemoryTarget>(blob_.blob->size);
};

// The fetch that it joined was begun by a reader who had waited long already.
TEST_F(EngineTroubleTest, AReaderHasItsOwnTimeWhateverTheFetchThatItJoinedHad) {
  options_.lane.max_threads = 1;
  start();
  source_->hold(blob_.blob->digest);
  std::future<Outcome> first;
  // Again with more time where even the begin of the fetch took that long.
  for (std::chrono::milliseconds time{50}; source_->reads().empty(); time *= 2) {
    first = submit(blob_.blob, {0, 4096}, std::chrono::steady_clock::now() + time);
    while (source_->reads().empty() &&
           first.wait_for(std::chrono::milliseconds(1)) == std::future_status::timeout) {
    }
  }
  auto second = submit(blob_.blob, {4096, 4096});
  const Outcome late = first.get();
  ASSERT_TRUE(late);
  EXPECT_EQ(late->code(), util::ErrorCode::kTimeout);
  source_->fail_next(util::ErrorCode::kTimeout);
  source_->release(blob_.blob->digest);
  const Outcome outcome = second.get();
  EXPECT_FALSE(outcome) << outcome->message();
  EXPECT_EQ(source_->reads().size(), 2U);
}

// Both are right, and number their frames differently.
TEST_F(EngineTroubleTest, FramesOfAnotherIndexOfTheSameBlobAreNeverTakenForItsOwn) {
  options_.lane.max_threads = 1;
  const FrameBlob other = make_frame_blob(blob_.data, 128 * kKiB);
  ASSERT_EQ(other.blob->digest, blob_.blob->digest);
  start();
  source_->hold(blob_.blob->digest);
  auto first = submit(blob_.blob, {0, 4096});
  source_->wait_for_reads(1);
  auto third = submit(blob_.blob, {2 * 64 * kKiB, 4096});
  auto same_number = submit(other.blob, {2 * 128 * kKiB, 4096});
  auto next_number = submit(other.blob, {3 * 128 * kKiB, 4096});
  source_->release(blob_.blob->digest);
  EXPECT_FALSE(first.get());
  EXPECT_FALSE(third.get());
  const Outcome refused = same_number.get();
  EXPECT_TRUE(refused || target_->missing({2 * 128 * kKiB, 4096}).empty());
  EXPECT_FALSE(next_number.get());
  const util::Buffer found = target_->bytes();
  for (std::uint64_t at = 0; at < found.size(); at += 4096) {
    if (!target_->missing({at, 4096}).empty()) continue;
    EXPECT_EQ(util::Buffer(found.begin() + static_cast<std::ptrdiff_t>(at),
                           found.begin() + static_cast<std::ptrdiff_t>(at + 4096)),
              util::Buffer(blob_.data.begin() + static_cast<std::ptrdiff_t>(at),
                           blob_.data.begin() + static_cast<std::ptrdiff_t>(at + 4096)))
        << at;
  }
}

// Whoever asks answers itself where submit() throws: an answer of the engine as well would be the
// second one.
TEST_F(EngineTroubleTest, ARequestIsCompletedOnceOrThrownBackWhereverTheMemoryEnds) {
  options_.lane.idle_timeout = std::chrono::milliseconds(1);
  for (std::size_t times = 0;; ++times) {
    start();
    target_ = std::make_shared<MemoryTarget>(blob_.blob->size);
    std::atomic<int> answers = 0;
    bool is_thrown_back = false;
    bool is_used_up = false;
    const Completion completion = [&](const Outcome&) { ++answers; };
    {
      const test::LittleMemory memory(times);
      try {
        engine_->submit(blob_.blob, target_, {0, 512 * kKiB}, Priority::kDemand, completion);
      } catch (const std::exception&) {
        is_thrown_back = true;
      }
      is_used_up = memory.is_used_up();
    }
    EXPECT_LE(engine_->stats().size(), 1U);
    EXPECT_FALSE(submit(blob_.blob, {448 * kKiB, 4096}).get()) << times;  // others get theirs
    engine_->stop(std::chrono::seconds(60));
    EXPECT_EQ(answers, is_thrown_back ? 0 : 1) << times;
    if (!is_used_up) break;
  }
}

TEST_F(EngineTroubleTest, StopLosesNoRequestWhereverTheMemoryEnds) {
  start();
  source_->hold(blob_.blob->digest);
  std::atomic<int> answers = 0;
  for (std::uint64_t i = 0; i < 8; ++i) {
    engine_->submit(blob_.blob, target_, {i * 64 * kKiB, 4096}, Priority::kDemand,
                    [&](const Outcome&) { ++answers; });
  }
  bool is_stopped = false;
  for (std::size_t times = 0; !is_stopped; ++times) {
    const test::LittleMemory memory(times);
    try {
      engine_->stop(std::chrono::milliseconds(0));
      is_stopped = true;
    } catch (const std::bad_alloc&) {
    }
  }
  EXPECT_EQ(answers, 8);
  source_->release(blob_.blob->digest);
}

}  // namespace
}  // namespace ondemand::serve
