// SPDX-License-Identifier: Apache-2.0
#include "serve/frame_fetcher.h"

#include <gtest/gtest.h>

#include "support/fake_source.h"
#include "support/frame_blob.h"

namespace ondemand::serve {
namespace {

using util::ErrorCode;

class NotingSource : public test::FakeSource {
 public:
  using FakeSource::FakeSource;
  bool read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                 source::Deadline a_deadline) override {
    deadline = a_deadline;
    return FakeSource::read_blob(blob, offset, out, a_deadline);
  }
  source::Deadline deadline;
};

class FrameFetcherTest : public ::testing::Test {
 protected:
  // Of the source that is asked last, behind one that fails in this way.
  source::Deadline last_deadline(std::optional<ErrorCode> code) {
    const auto first = std::make_shared<test::FakeSource>("first");
    const auto last = std::make_shared<NotingSource>("last");
    first->fail_always(code);
    last->fail_always(ErrorCode::kTimeout);
    const FrameFetcher fetcher({first, last}, 1 << 20, log_);
    const std::vector<std::size_t> frames{0};
    FetchCounters counters;
    EXPECT_TRUE(fetcher.fetch(*blob_.blob, frames, deadline_, counters, [](auto, auto) {}));
    return last->deadline;
  }

  test::FrameBlob blob_ = test::make_frame_blob(test::numbered_bytes(65536, 1), 65536);
  util::Log log_{util::LogLevel::kError, util::Log::null_sink()};
  const source::Deadline deadline_ = std::chrono::steady_clock::now() + std::chrono::hours(1);
};

// Else a silent origin that is asked last would use up the time in which another comes back.
TEST_F(FrameFetcherTest, TheLastSourceLeavesTimeToAskThoseAgainThatWereDown) {
  EXPECT_LT(last_deadline(ErrorCode::kUnavailable), deadline_);
  EXPECT_LT(last_deadline(ErrorCode::kIo), deadline_);
}

TEST_F(FrameFetcherTest, TheLastSourceHasAllTimeThatIsLeftWhereNoneWasDown) {
  EXPECT_EQ(last_deadline(std::nullopt), deadline_);
  EXPECT_EQ(last_deadline(ErrorCode::kCorrupt), deadline_);
  EXPECT_EQ(last_deadline(ErrorCode::kTimeout), deadline_);  // as slow the next time
}

}  // namespace
}  // namespace ondemand::serve
