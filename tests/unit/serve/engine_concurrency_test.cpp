// SPDX-License-Identifier: Apache-2.0
//
// Many requests at once.  Order comes from sources that stand still until told, never from time.
#include <atomic>
#include <latch>

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

class EngineConcurrencyTest : public EngineFixture {
 protected:
  EngineConcurrencyTest() {
    source_->put(a_.blob->digest, a_.stored);
    source_->put(b_.blob->digest, b_.stored);
    options_.lane.max_threads = 2;
  }
  std::future<Outcome> submit(const FrameBlob& blob, const std::shared_ptr<MemoryTarget>& target,
                              ByteRange range, Priority priority = Priority::kDemand) {
    return submit_to(target, blob.blob, range, priority);
  }

  FrameBlob a_ = make_frame_blob(numbered_bytes(512 * kKiB, 1), 64 * kKiB);
  FrameBlob b_ = make_frame_blob(numbered_bytes(512 * kKiB, 2), 64 * kKiB);
  std::shared_ptr<MemoryTarget> target_a_ = std::make_shared<MemoryTarget>(a_.blob->size);
  std::shared_ptr<MemoryTarget> target_b_ = std::make_shared<MemoryTarget>(b_.blob->size);
};

TEST_F(EngineConcurrencyTest, SixtyFourReadersOfOneFrameCauseOneFetch) {
  start();
  std::atomic<int> answers = 0;
  std::atomic<int> errors = 0;
  std::latch go(64);
  std::vector<std::thread> readers;
  for (int i = 0; i < 64; ++i) {
    readers.emplace_back([&] {
      go.arrive_and_wait();
      std::promise<void> done;
      engine_->submit(a_.blob, target_a_, {4096, 4096}, Priority::kDemand,
                      [&](const Outcome& outcome) {
                        answers.fetch_add(1);
                        errors.fetch_add(outcome ? 1 : 0);
                        done.set_value();
                      });
      done.get_future().wait();
      EXPECT_TRUE(target_a_->missing({4096, 4096}).empty());
    });
  }
  for (std::thread& reader : readers)
    reader.join();
  EXPECT_EQ(answers, 64);
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(source_->reads().size(), 1U);
}

// Each asks when the range is present already, but planned before that; the second comes while the
// first is being told.
TEST_F(EngineConcurrencyTest, WhatWasFilledBetweenPlanAndFlightIsNotFetchedAgain) {
  options_.lane.max_threads = 1;
  start();
  ASSERT_FALSE(submit(a_, target_a_, {0, 4096}).get());
  std::promise<Outcome> second;
  target_a_->answer_late();
  engine_->submit(a_.blob, target_a_, {0, 4096}, Priority::kDemand, [&](const Outcome&) {
    target_a_->answer_late();
    engine_->submit(a_.blob, target_a_, {0, 4096}, Priority::kDemand,
                    [&](const Outcome& outcome) { second.set_value(outcome); });
  });
  EXPECT_FALSE(second.get_future().get());
  EXPECT_EQ(source_->reads().size(), 1U);
}

TEST_F(EngineConcurrencyTest, OneFetchFillsEveryTargetThatWaitsForTheFrame) {
  start();
  source_->hold(a_.blob->digest);
  std::vector<std::shared_ptr<MemoryTarget>> targets;
  std::vector<std::future<Outcome>> outcomes;
  for (int i = 0; i < 8; ++i) {
    targets.push_back(std::make_shared<MemoryTarget>(a_.blob->size));
    outcomes.push_back(submit(a_, targets.back(), {4096, 4096}));
    outcomes.push_back(submit(a_, targets.back(), {8192, 4096}));
    source_->wait_for_reads(1);
  }
  source_->release(a_.blob->digest);
  for (auto& outcome : outcomes)
    EXPECT_FALSE(outcome.get());
  for (const auto& target : targets)
    EXPECT_TRUE(target->missing({0, 64 * kKiB}).empty());
  EXPECT_EQ(source_->reads().size(), 1U);
}

TEST_F(EngineConcurrencyTest, ATargetThatIsFullConcernsOnlyItsOwnReaders) {
  start();
  source_->hold(a_.blob->digest);
  const auto full = std::make_shared<MemoryTarget>(a_.blob->size);
  full->set_full(true);
  auto refused = submit(a_, full, {0, 4096});
  source_->wait_for_reads(1);
  auto served = submit(a_, target_a_, {0, 4096});
  source_->release(a_.blob->digest);
  EXPECT_TRUE(refused.get());
  EXPECT_FALSE(served.get());
  EXPECT_TRUE(target_a_->missing({0, 4096}).empty());
}

TEST_F(EngineConcurrencyTest, ASourceThatFailsFailsTheReadersOfEveryTarget) {
  start();
  source_->hold(a_.blob->digest);
  source_->fail_always(util::ErrorCode::kUnsupported);
  auto first = submit(a_, target_a_, {0, 4096});
  source_->wait_for_reads(1);
  auto second = submit(a_, std::make_shared<MemoryTarget>(a_.blob->size), {0, 4096});
  source_->release(a_.blob->digest);
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
}

TEST_F(EngineConcurrencyTest, OneWhoAsksAgainGetsNoMoreTimeThanBefore) {
  start();
  source_->hold(a_.blob->digest);
  std::promise<Outcome> done;
  engine_->submit(
      a_.blob, target_a_, {0, 4096}, Priority::kDemand,
      [&](const Outcome& outcome) { done.set_value(outcome); },
      std::chrono::steady_clock::now() - std::chrono::seconds(1));
  const Outcome outcome = done.get_future().get();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->code(), util::ErrorCode::kTimeout);
  source_->release(a_.blob->digest);
}

TEST_F(EngineConcurrencyTest, ASlowBlobDelaysNoOther) {
  start();
  source_->hold(a_.blob->digest);
  std::vector<std::future<Outcome>> slow;
  for (std::uint64_t i = 0; i < 8; ++i)
    slow.push_back(submit(a_, target_a_, {i * 64 * kKiB, 4096}));
  source_->wait_for_reads(1);
  EXPECT_FALSE(submit(b_, target_b_, {0, 512 * kKiB}).get());
  source_->release(a_.blob->digest);
  for (auto& outcome : slow)
    EXPECT_FALSE(outcome.get());
}

TEST_F(EngineConcurrencyTest, DemandOvertakesPrefetchThatWaits) {
  options_.lane.max_threads = 1;
  options_.lane.max_request_bytes = 64 * kKiB;
  start();
  source_->hold(a_.blob->digest);
  auto prefetch = submit(a_, target_a_, {0, 512 * kKiB}, Priority::kPrefetch);
  source_->wait_for_reads(1);
  auto demand = submit(a_, target_a_, {448 * kKiB, 4096});  // the last frame of the prefetch
  source_->release(a_.blob->digest);
  EXPECT_FALSE(demand.get());
  EXPECT_FALSE(prefetch.get());
  const auto reads = source_->reads();
  ASSERT_EQ(reads.size(), 8U);  // promoted, not fetched twice
  EXPECT_EQ(reads[1].offset, 448 * kKiB);
}

TEST_F(EngineConcurrencyTest, PrefetchNeverTakesTheLastThread) {
  options_.lane.max_request_bytes = 64 * kKiB;
  start();
  source_->hold(a_.blob->digest);
  auto prefetch = submit(a_, target_a_, {0, 448 * kKiB}, Priority::kPrefetch);
  source_->wait_for_reads(1);
  auto demand = submit(a_, target_a_, {448 * kKiB, 4096});
  source_->wait_for_reads(2);  // begins although the prefetch stands still
  EXPECT_EQ(source_->reads()[1].offset, 448 * kKiB);
  source_->release(a_.blob->digest);
  EXPECT_FALSE(demand.get());
  EXPECT_FALSE(prefetch.get());
}

TEST_F(EngineConcurrencyTest, StopFailsWhatIsLeftAfterTheGraceAndAnswersEachOnce) {
  start();
  source_->hold(a_.blob->digest);
  std::atomic<int> answers = 0;
  std::atomic<int> errors = 0;
  for (std::uint64_t i = 0; i < 8; ++i) {
    engine_->submit(a_.blob, target_a_, {i * 64 * kKiB, 4096}, Priority::kDemand,
                    [&](const Outcome& outcome) {
                      answers.fetch_add(1);
                      errors.fetch_add(outcome ? 1 : 0);
                    });
  }
  source_->wait_for_reads(1);
  engine_->stop(std::chrono::milliseconds(0));
  EXPECT_EQ(answers, 8);
  EXPECT_EQ(errors, 8);
  EXPECT_EQ(engine_->requests_in_flight(), 0U);
  source_->release(a_.blob->digest);
  engine_.reset();
  EXPECT_EQ(answers, 8);
}

TEST_F(EngineConcurrencyTest, StopLetsWhatIsUnderWayFinish) {
  start();
  source_->hold(a_.blob->digest);
  auto outcome = submit(a_, target_a_, {0, 4096});
  source_->wait_for_reads(1);
  std::thread stopper([&] { engine_->stop(std::chrono::seconds(60)); });
  source_->release(a_.blob->digest);
  stopper.join();
  EXPECT_FALSE(outcome.get());
  EXPECT_TRUE(submit(a_, target_a_, {128 * kKiB, 4096}).get());  // refused from now on
}

TEST_F(EngineConcurrencyTest, ThreadsThatHaveNothingToDoEnd) {
  options_.lane.idle_timeout = std::chrono::milliseconds(1);
  start();
  EXPECT_FALSE(submit(a_, target_a_, {0, 4096}).get());
  while (engine_->threads() > 0)
    std::this_thread::yield();
  EXPECT_FALSE(submit(a_, target_a_, {128 * kKiB, 4096}).get());  // and come back
}

TEST_F(EngineConcurrencyTest, OverlappingRangesFromManyThreadsFillEveryByteOnce) {
  start();
  std::vector<std::thread> readers;
  for (std::uint64_t i = 0; i < 8; ++i) {
    readers.emplace_back([this, i] {
      for (std::uint64_t k = 0; k < 16; ++k) {
        const ByteRange range{(i * 5 + k * 3) % 16 * 32 * kKiB, 40 * kKiB};
        EXPECT_FALSE(submit(a_, target_a_, range).get());
        EXPECT_TRUE(target_a_
                        ->missing({range.offset, std::min<std::uint64_t>(
                                                     range.len, a_.blob->size - range.offset)})
                        .empty());
      }
    });
  }
  for (std::thread& reader : readers)
    reader.join();
  EXPECT_EQ(target_a_->bytes(), a_.data);
  EXPECT_EQ(target_a_->overwritten_blocks(), 0U);
}

}  // namespace
}  // namespace ondemand::serve
