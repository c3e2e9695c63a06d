// SPDX-License-Identifier: Apache-2.0
//
// The transport with a scripted device, on real backing files.  With the kernel: tests/vm.
#include "transport/cachefiles_demand_transport.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "cache/backing_file.h"
#include "cachefiles/abi.h"
#include "support/fake_source.h"
#include "support/frame_blob.h"
#include "support/scripted_device.h"
#include "support/temporary_directory.h"

namespace ondemand::transport {
namespace {

using cachefiles::DemandMessage;
using test::FakeSource;
using test::FrameBlob;
using test::ScriptedDevice;
using ::testing::StartsWith;
using util::kKiB;

class CachefilesDemandTransportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(path_.parent_path());
    make_sparse(path_, blob_.blob->size);
    source_->put(blob_.blob->digest, blob_.stored);
    options_.lane.attempts = 1;
  }
  void TearDown() override {
    if (transport_) transport_->stop(std::chrono::milliseconds(0));
  }
  static void make_sparse(const std::filesystem::path& path, std::uint64_t size) {
    const util::Fd file = util::open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
  }
  void start() {
    engine_ = std::make_unique<serve::Engine>(serve::Sources{source_}, options_, log_);
    transport_ = std::make_unique<CachefilesDemandTransport>(device_, directory_.path() / "cache",
                                                             notes_, *engine_, log_);
    transport_->watch({path_, blob_.blob->digest, blob_.blob});
    transport_->start();
    EXPECT_EQ(device_.command_at(next_answer_++), "restore");
  }
  void ask(std::uint64_t id, std::uint64_t offset, std::uint64_t len,
           const std::string& path = kKey, bool is_repeated = false) {
    device_.send(cachefiles::encode_demand_message(
        {id, cachefiles::abi::kDemandOpRead, {offset, len}, 0, path, is_repeated}));
  }
  std::string answer() { return device_.command_at(next_answer_++); }
  util::Buffer stored_in_file(std::uint64_t offset, std::size_t len) const {
    util::Buffer out(len);
    util::pread_full(util::open_file(path_, O_RDONLY).get(), out, offset, "backing file");
    return out;
  }
  util::Buffer expected(std::uint64_t offset, std::size_t len) const {
    const auto begin = blob_.data.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(len)};
  }

  static constexpr const char* kKey = "Ierofs,ondemand/@b5/Dblob";
  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "cache" / kKey;
  FrameBlob blob_ = test::make_frame_blob(test::numbered_bytes(1000 * kKiB + 100, 3), 64 * kKiB);
  std::shared_ptr<FakeSource> source_ = std::make_shared<FakeSource>("source");
  serve::EngineOptions options_;
  util::Log log_{util::LogLevel::kError, util::Log::null_sink()};
  WorkerNotes notes_;
  ScriptedDevice device_;
  std::unique_ptr<serve::Engine> engine_;
  std::unique_ptr<CachefilesDemandTransport> transport_;
  std::size_t next_answer_ = 0;
};

TEST_F(CachefilesDemandTransportTest, FillsTheHoleAndThenAnswers) {
  start();
  util::Buffer at_answer;
  device_.on_command([&](std::string_view) {
    at_answer = stored_in_file(100 * kKiB, 8192);
    return 0;
  });
  ask(7, 100 * kKiB, 8192);
  EXPECT_EQ(answer(), "done 7");
  transport_->stop(std::chrono::seconds(10));
  EXPECT_EQ(at_answer, expected(100 * kKiB, 8192));
  EXPECT_EQ(transport_->counters().served, 1U);
  EXPECT_EQ(notes_.answered.value(), 1U);
}

TEST_F(CachefilesDemandTransportTest, PadsTheLastBlockWithZeros) {
  start();
  ask(1, 1000 * kKiB, 4096);
  EXPECT_EQ(answer(), "done 1");
  util::Buffer last = expected(1000 * kKiB, 100);
  last.resize(4096);
  EXPECT_EQ(stored_in_file(1000 * kKiB, 4096), last);
}

TEST_F(CachefilesDemandTransportTest, WhatIsPresentNeedsNoFetch) {
  start();
  ask(1, 0, 4096);
  EXPECT_EQ(answer(), "done 1");
  ask(2, 60 * kKiB, 4096);
  EXPECT_EQ(answer(), "done 2");
  EXPECT_EQ(source_->reads().size(), 1U);
  EXPECT_EQ(transport_->counters().present, 1U);
}

TEST_F(CachefilesDemandTransportTest, AFailedFetchIsTold) {
  start();
  source_->fail_always(util::ErrorCode::kUnavailable);
  ask(3, 0, 4096);
  EXPECT_THAT(answer(), StartsWith("fail 3,"));
  source_->fail_always(std::nullopt);
  ask(4, 0, 4096);
  EXPECT_EQ(answer(), "done 4");
  EXPECT_EQ(transport_->files().at(0).errors, 1U);
}

TEST_F(CachefilesDemandTransportTest, CorruptBytesNeverReachTheFile) {
  start();
  source_->flip_byte(blob_.blob->digest, 10);
  ask(3, 0, 4096);
  EXPECT_THAT(answer(), StartsWith("fail 3,"));
  const util::Fd file = util::open_file(path_, O_RDONLY);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_DATA), -1);
}

TEST_F(CachefilesDemandTransportTest, AMessageThatWasGivenBeforeIsAnsweredLikeAnyOther) {
  start();
  ask(5, 0, 4096, kKey, true);
  EXPECT_EQ(answer(), "done 5");
  EXPECT_EQ(transport_->counters().replayed, 1U);
}

TEST_F(CachefilesDemandTransportTest, NoPathFromAMessageIsEverOpened) {
  make_sparse(directory_.path() / "cache" / "stray", 65536);
  start();
  std::uint64_t id = 0;
  for (const std::string& path :
       {std::string("stray"), std::string("../cache/") + kKey, std::string("./") + kKey,
        path_.native(), std::string(kKey) + "/", std::string("/etc/passwd"), std::string("\xff"),
        std::string(900, 'x')}) {
    ask(++id, 0, 4096, path);
    EXPECT_EQ(answer(), util::concat("fail ", id, ",2"));
  }
  EXPECT_TRUE(source_->reads().empty());
}

TEST_F(CachefilesDemandTransportTest, RangesOutsideOfTheFileAreRefused) {
  start();
  const std::uint64_t size = blob_.blob->size;
  ask(1, size, 4096);
  EXPECT_THAT(answer(), StartsWith("fail 1,"));
  ask(2, 0xfffffffffffff000, 0xffffffffffffffff);
  EXPECT_THAT(answer(), StartsWith("fail 2,"));
  ask(3, 0, 0);
  EXPECT_THAT(answer(), StartsWith("fail 3,"));
  ask(4, size - 4096, 0xffffffffffffffff);  // begins inside
  EXPECT_EQ(answer(), "done 4");
}

TEST_F(CachefilesDemandTransportTest, WhatIsNotUnderstoodIsRefusedWhereThatIsPossible) {
  start();
  device_.send(cachefiles::encode_demand_message({8, 77, {0, 4096}, 0, kKey, false}));
  EXPECT_EQ(answer(), "fail 8,95");
  util::Buffer bad = cachefiles::encode_demand_message({9, 1, {0, 4096}, 0, kKey, false});
  bad.resize(20);
  device_.send(bad);
  EXPECT_EQ(answer(), "fail 9,71");
  device_.send({1, 2, 3});
  ask(10, 0, 4096);
  EXPECT_EQ(answer(), "done 10");
  transport_->stop(std::chrono::seconds(1));
  EXPECT_EQ(transport_->counters().malformed, 2U);
}

TEST_F(CachefilesDemandTransportTest, AnswersThatNobodyWaitsForAreNoFailure) {
  device_.on_command([](std::string_view text) { return text == "restore" ? 0 : EINVAL; });
  start();
  ask(1, 0, 4096);
  EXPECT_EQ(answer(), "done 1");
  ask(2, 0, 4096);
  EXPECT_EQ(answer(), "done 2");
  pollfd dead{transport_->dead_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&dead, 1, 0), 0);
}

TEST_F(CachefilesDemandTransportTest, TellsWhenTheCacheHasDied) {
  start();
  device_.die();
  pollfd dead{transport_->dead_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&dead, 1, 10'000), 1);
}

TEST_F(CachefilesDemandTransportTest, ManyReadersOfOneFrameCauseOneFetch) {
  start();
  source_->hold(blob_.blob->digest);
  for (std::uint64_t id = 1; id <= 16; ++id)
    ask(id, (id - 1) * 4096, 4096);
  device_.drain();
  source_->wait_for_reads(1);
  source_->release(blob_.blob->digest);
  std::set<std::string> answers;
  for (int i = 0; i < 16; ++i)
    answers.insert(answer());
  EXPECT_EQ(answers.size(), 16U);
  EXPECT_TRUE(answers.count("done 1") > 0 && answers.count("done 16") > 0);
  EXPECT_EQ(source_->reads().size(), 1U);
}

TEST_F(CachefilesDemandTransportTest, StoppingRefusesWhatIsMissing) {
  start();
  source_->hold(blob_.blob->digest);
  ask(1, 0, 4096);
  source_->wait_for_reads(1);
  std::thread stopper([&] { transport_->stop(std::chrono::milliseconds(0)); });
  EXPECT_THAT(answer(), StartsWith("fail 1,"));
  source_->release(blob_.blob->digest);
  stopper.join();
}

TEST_F(CachefilesDemandTransportTest, ABlobWithoutIndexAndABootstrapAreNotFetched) {
  start();
  const std::filesystem::path other = directory_.path() / "cache" / "Ierofs,ondemand" / "other";
  make_sparse(other, 65536);
  transport_->watch({other, hash::Digest{}, nullptr});
  ask(1, 0, 4096, "Ierofs,ondemand/other");
  EXPECT_THAT(answer(), StartsWith("fail 1,"));
  transport_->offer_local({other, hash::Digest{}, nullptr});
  ask(2, 0, 4096, "Ierofs,ondemand/other");
  EXPECT_THAT(answer(), StartsWith("fail 2,"));
  EXPECT_EQ(transport_->files().size(), 1U);  // what is local is no blob
  EXPECT_THROW(transport_->watch({directory_.path() / "elsewhere", {}, nullptr}), util::Error);
}

TEST_F(CachefilesDemandTransportTest, ARequestThatManyWorkersDiedOfIsRefused) {
  for (std::uint32_t i = 0; i < GivenRequests::kMaxWorkers; ++i) {
    notes_.given.begin_worker();
    notes_.given.note_given({7, 0});
    notes_.given.note_given({8, 0});
    notes_.given.note_answered({8, 0});
  }
  start();
  ask(7, 0, 4096, kKey, true);
  EXPECT_EQ(answer(), "fail 7,5");
  ask(8, 0, 4096, kKey, true);
  EXPECT_EQ(answer(), "done 8");
  EXPECT_EQ(transport_->counters().refused, 1U);
}

TEST_F(CachefilesDemandTransportTest, AFileIsOpenOnlyWhileRequestsNeedIt) {
  start();
  ask(1, 0, 4096);
  EXPECT_EQ(answer(), "done 1");
  const util::Fd file = util::open_file(path_, O_RDONLY);
  // The answer comes before the request is put away.
  while (cache::is_open_elsewhere(file.get()))
    std::this_thread::yield();
  ask(2, 512 * kKiB, 4096);
  EXPECT_EQ(answer(), "done 2");
}

TEST_F(CachefilesDemandTransportTest, AFileThatIsReplacedDuringItsFetchIsFilledToo) {
  start();
  source_->hold(blob_.blob->digest);
  ask(1, 0, 4096);
  source_->wait_for_reads(1);
  std::filesystem::remove(path_);
  make_sparse(path_, blob_.blob->size);
  ask(2, 4096, 4096);  // joins the fetch that goes to the old file
  device_.drain();
  source_->release(blob_.blob->digest);
  const std::set<std::string> answers{answer(), answer()};
  EXPECT_EQ(answers, (std::set<std::string>{"done 1", "done 2"}));
  EXPECT_EQ(stored_in_file(4096, 4096), expected(4096, 4096));
}

TEST_F(CachefilesDemandTransportTest, AFileThatIsMadeAnewIsNotCompleteAnyMore) {
  start();
  ask(1, 0, blob_.blob->size);
  EXPECT_EQ(answer(), "done 1");
  EXPECT_TRUE(transport_->files().at(0).is_complete);
  std::filesystem::remove(path_);
  make_sparse(path_, blob_.blob->size);
  EXPECT_FALSE(transport_->files().at(0).is_complete);
}

TEST_F(CachefilesDemandTransportTest, AFileThatWasMadeAnewIsFilledUnderItsName) {
  start();
  ask(1, 0, 4096);
  EXPECT_EQ(answer(), "done 1");
  std::filesystem::remove(path_);
  make_sparse(path_, blob_.blob->size);
  ask(2, 0, 4096);
  EXPECT_EQ(answer(), "done 2");
  EXPECT_EQ(stored_in_file(0, 4096), expected(0, 4096));
  std::filesystem::remove(path_);
  ask(3, 0, 4096);
  EXPECT_EQ(answer(), "fail 3,2");
}

}  // namespace
}  // namespace ondemand::transport
