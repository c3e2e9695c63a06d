// SPDX-License-Identifier: Apache-2.0
//
// Both transports of cachefiles, from a mount's read to the bytes, with the simulated kernels of
// both releases.  The same with real kernels: tests/vm/guest/ondemand.sh.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/xattr.h>

#include <atomic>
#include <future>
#include <random>

#include "cache/cache_mark.h"
#include "cache/cookie_file.h"
#include "cachefiles/commands.h"
#include "support/fake_source.h"
#include "support/frame_blob.h"
#include "support/simulate/kernel.h"
#include "support/temporary_directory.h"
#include "transport/cachefiles_demand_transport.h"
#include "transport/cachefiles_survival.h"
#include "transport/ondemand_transport.h"

namespace ondemand::transport {
namespace {

using simulate::Node;
using simulate::Release;
using test::FakeSource;
using test::FrameBlob;
using util::kKiB;

// A worker's way to the device.  Cut off, it is dead: the kernel hears and gives nothing more.
class WorkersDevice : public cachefiles::Device {
 public:
  explicit WorkersDevice(cachefiles::Device& device) : device_(device) {}
  void cut_off() { is_cut_off_ = true; }

  int poll_fd() const override { return device_.poll_fd(); }
  Read read(util::MutableBytes buffer) override {
    return is_cut_off_ ? Read{} : device_.read(buffer);
  }
  // A dead worker has neither given an answer nor noted that it did.
  int command(std::string_view text) override {
    return is_cut_off_ ? ENODEV : device_.command(text);
  }
  int write_object(int fd, std::uint64_t offset, util::Bytes bytes) override {
    return is_cut_off_ ? 0 : device_.write_object(fd, offset, bytes);
  }
  int complete_read(int fd, std::uint32_t id) override {
    return is_cut_off_ ? ENODEV : device_.complete_read(fd, id);
  }
  int close_object(int fd) override { return is_cut_off_ ? 0 : device_.close_object(fd); }
  std::int64_t seek_object(int fd, std::int64_t offset, int whence) override {
    return is_cut_off_ ? 0 : device_.seek_object(fd, offset, whence);
  }

 private:
  cachefiles::Device& device_;
  std::atomic<bool> is_cut_off_ = false;
};

struct Worker {
  std::unique_ptr<WorkersDevice> device;
  std::unique_ptr<serve::Engine> engine;
  std::unique_ptr<Transport> transport;
};

struct Case {
  CachefilesMode mode;
  Release release;
};

std::string case_name(const testing::TestParamInfo<Case>& info) {
  return util::concat(info.param.mode == CachefilesMode::kDemand ? "Demand" : "Ondemand",
                      info.param.release == Release::k6_1 ? "On6_1" : "On6_12");
}

class CachefilesSimulatedTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (::setxattr(directory_.path().c_str(), "user.test", "", 0, 0) != 0)
      GTEST_SKIP() << "the temporary directory's file system has no user attributes";
    simulate::Traits traits;
    traits.release = GetParam().release;
    traits.first_message_id = 0x7ffffffe;
    kernel_ = std::make_unique<simulate::SimulatedKernel>(traits);
    prepare(blob_);
    prepare_bootstrap();
    source_->put(blob_.blob->digest, blob_.stored);
    options_.lane.attempts = 1;
    open_device();
    worker_ = start_worker();
  }
  void TearDown() override {
    mount_.reset();
    if (worker_.transport) worker_.transport->stop(std::chrono::milliseconds(0));
    { const Worker dead = std::move(worker_); }
    survival_.reset();
    device_.reset();
  }

  bool is_demand() const { return GetParam().mode == CachefilesMode::kDemand; }
  cache::CookieFile cookie(const hash::Digest& digest, std::uint64_t size) const {
    return {"erofs,ondemand", digest.hex(), size};
  }
  std::filesystem::path path_of(const hash::Digest& digest) const {
    return cache::cookie_path(root_, cookie(digest, 1));
  }
  void prepare(const FrameBlob& blob) {
    cache::ensure_cookie_file(root_, cookie(blob.blob->digest, blob.blob->size));
  }
  void prepare_bootstrap() {
    cache::ensure_cookie_file(root_, cookie(bootstrap_digest_, bootstrap_.size()));
    const util::Fd fd = util::open_file(path_of(bootstrap_digest_), O_WRONLY);
    util::pwrite_full(fd.get(), bootstrap_, 0, "bootstrap");
  }
  void open_device() {
    if (is_demand()) cache::ensure_mark(root_ / "cache", cache::CacheUse::kCachefilesDemand);
    auto opened = kernel_->open(is_demand() ? Node::kDemand : Node::kCachefiles);
    ASSERT_EQ(opened.error, 0);
    device_ = std::move(opened.device);
    ASSERT_EQ(device_->command(cachefiles::dir_command(root_)), 0);
    ASSERT_EQ(
        device_->command(is_demand() ? cachefiles::kBindCommand : cachefiles::kBindOndemandCommand),
        0);
    survival_ = std::make_unique<CachefilesSurvival>(*device_, GetParam().mode);
  }
  Worker start_worker(bool knows_blob = true) {
    Worker worker;
    worker.device = std::make_unique<WorkersDevice>(*device_);
    worker.engine = std::make_unique<serve::Engine>(serve::Sources{source_}, options_, log_);
    if (is_demand()) {
      worker.transport = std::make_unique<CachefilesDemandTransport>(
          *worker.device, root_ / "cache", survival_->notes(), *worker.engine, log_);
    } else {
      worker.transport = std::make_unique<OndemandTransport>(*worker.device, survival_->notes(),
                                                             *worker.engine, log_);
    }
    worker.transport->offer_local({path_of(bootstrap_digest_), bootstrap_digest_, nullptr});
    if (knows_blob) watch(worker);
    worker.transport->start();
    return worker;
  }
  void watch(const Worker& worker) {
    worker.transport->watch({path_of(blob_.blob->digest), blob_.blob->digest, blob_.blob});
  }
  // Nothing of it reaches the kernel any more, and its descriptors are closed.
  void kill_worker() {
    worker_.device->cut_off();
    worker_.transport->stop(std::chrono::milliseconds(0));
    for (const int fd : kernel_->descriptors())
      kernel_->close_descriptor(fd);
  }
  std::unique_ptr<simulate::SimulatedMount> mount(const std::string& domain = "ondemand") {
    auto mounted = kernel_->mount({bootstrap_digest_.hex(), domain, {blob_.blob->digest.hex()}});
    EXPECT_EQ(mounted.error, 0);
    return std::move(mounted.mount);
  }
  simulate::ReadResult read(std::uint64_t offset, std::uint64_t len) {
    return mount_->read(blob_.blob->digest.hex(), offset, len);
  }
  std::future<simulate::ReadResult> read_behind(std::uint64_t offset, std::uint64_t len,
                                                const simulate::Reader* reader = nullptr) {
    return std::async(std::launch::async, [this, offset, len, reader] {
      return mount_->read(blob_.blob->digest.hex(), offset, len, reader);
    });
  }
  util::Buffer expected(std::uint64_t offset, std::uint64_t len) const {
    const auto begin = blob_.data.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(len)};
  }
  void expect_bytes(std::uint64_t offset, std::uint64_t len) {
    const simulate::ReadResult result = read(offset, len);
    EXPECT_EQ(result.error, 0);
    EXPECT_TRUE(result.bytes == expected(offset, len)) << offset << ' ' << len;
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path root_ = directory_.path() / "root";
  FrameBlob blob_ = test::make_frame_blob(test::numbered_bytes(1024 * kKiB, 3), 64 * kKiB);
  util::Buffer bootstrap_ = test::numbered_bytes(40 * kKiB, 9);
  hash::Digest bootstrap_digest_ = hash::sha256(bootstrap_);
  std::shared_ptr<FakeSource> source_ = std::make_shared<FakeSource>("source");
  serve::EngineOptions options_;
  util::Log log_{util::LogLevel::kError, util::Log::null_sink()};
  std::unique_ptr<simulate::SimulatedKernel> kernel_;
  std::unique_ptr<cachefiles::Device> device_;
  std::unique_ptr<CachefilesSurvival> survival_;
  Worker worker_;
  std::unique_ptr<simulate::SimulatedMount> mount_;
};

TEST_P(CachefilesSimulatedTest, ReadsFromAnEmptyCacheAreRightAndNeverFetchedAgain) {
  mount_ = mount();
  for (std::uint64_t at = 0; at < blob_.data.size(); at += 32 * kKiB)
    expect_bytes(at, 32 * kKiB);
  const std::size_t fetches = source_->reads().size();
  mount_.reset();
  mount_ = mount();
  const std::uint64_t requests = worker_.transport->counters().requests;
  expect_bytes(0, blob_.data.size());
  EXPECT_EQ(worker_.transport->counters().requests, requests);
  EXPECT_EQ(source_->reads().size(), fetches);
  EXPECT_TRUE(worker_.transport->files().at(0).is_complete);
}

TEST_P(CachefilesSimulatedTest, TheBootstrapNeedsNoFetch) {
  mount_ = mount();
  const auto result = mount_->read(bootstrap_digest_.hex(), 0, bootstrap_.size());
  EXPECT_EQ(result.error, 0);
  EXPECT_EQ(result.bytes, bootstrap_);
  EXPECT_TRUE(source_->reads().empty());
}

TEST_P(CachefilesSimulatedTest, ManyReadersGetTheirBytes) {
  mount_ = mount();
  std::vector<std::thread> readers;
  for (unsigned seed = 0; seed < 8; ++seed) {
    readers.emplace_back([this, seed] {
      std::minstd_rand random(seed + 1);
      for (int i = 0; i < 20; ++i) {
        const std::uint64_t offset = random() % 240 * 4096;
        expect_bytes(offset, (random() % 16 + 1) * 4096);
      }
    });
  }
  for (std::thread& reader : readers)
    reader.join();
  EXPECT_LE(source_->reads().size(), 16U);  // each frame at most once
}

TEST_P(CachefilesSimulatedTest, AFailedFetchIsAnErrorAndALaterOneIsNot) {
  mount_ = mount();
  source_->fail_always(util::ErrorCode::kUnavailable);
  EXPECT_EQ(read(0, 4096).error, EIO);
  source_->fail_always(std::nullopt);
  source_->flip_byte(blob_.blob->digest, 10);
  EXPECT_EQ(read(0, 4096).error, EIO);
  source_->flip_byte(blob_.blob->digest, 10);
  expect_bytes(0, 4096);
  EXPECT_EQ(worker_.transport->counters().refused, 2U);
}

TEST_P(CachefilesSimulatedTest, ASuccessorAnswersWhatAWorkerThatDiedHadTaken) {
  mount_ = mount();
  source_->hold(blob_.blob->digest);
  auto first = read_behind(0, 4096);
  auto second = read_behind(512 * kKiB, 4096);
  source_->wait_for_reads(2);
  worker_.device->cut_off();  // no answer gets through, however quick it is
  std::thread killer([this] { kill_worker(); });
  source_->release(blob_.blob->digest);
  killer.join();
  const Worker dead = std::move(worker_);
  worker_ = start_worker();
  EXPECT_EQ(first.get().bytes, expected(0, 4096));
  EXPECT_EQ(second.get().bytes, expected(512 * kKiB, 4096));
  EXPECT_EQ(worker_.transport->counters().requests, 2U);  // were given again
  expect_bytes(768 * kKiB, 4096);
}

TEST_P(CachefilesSimulatedTest, AReadThatWorkerAfterWorkerDiesOfFailsAtLast) {
  mount_ = mount();
  source_->hold(blob_.blob->digest);
  auto waiting = read_behind(0, 4096);
  const auto is_answered = [&] {
    return waiting.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  };
  std::vector<Worker> dead;
  while (!is_answered() && dead.size() < 4 * GivenRequests::kMaxWorkers) {
    while (worker_.transport->counters().requests == 0 && !is_answered())
      std::this_thread::yield();
    if (is_answered()) break;
    kill_worker();
    dead.push_back(std::move(worker_));
    worker_ = start_worker();
    // Others are answered meanwhile, so that the supervisor sees a worker that gets on.
    survival_->notes().answered.add();
  }
  // Before anything can fail: nothing may wait for the source at the end.
  const bool is_over = is_answered();
  source_->release(blob_.blob->digest);
  ASSERT_TRUE(is_over);
  EXPECT_EQ(waiting.get().error, EIO);
  EXPECT_GE(dead.size(), GivenRequests::kMaxWorkers);
  expect_bytes(512 * kKiB, 4096);
}

// Its record was lost, say.
TEST_P(CachefilesSimulatedTest, ASuccessorThatDoesNotKnowABlobInUseFailsItsReads) {
  mount_ = mount();
  expect_bytes(0, 4096);
  kill_worker();
  const Worker dead = std::move(worker_);
  worker_ = start_worker(false);
  EXPECT_EQ(read(512 * kKiB, 4096).error, EIO);
  EXPECT_EQ(read(0, 512 * kKiB).error, EIO);
  expect_bytes(0, 4096);  // is present
  const auto result = mount_->read(bootstrap_digest_.hex(), 0, bootstrap_.size());
  EXPECT_EQ(result.bytes, bootstrap_);
  EXPECT_EQ(worker_.transport->counters().refused, 2U);
  watch(worker_);
  expect_bytes(512 * kKiB, 4096);
}

TEST_P(CachefilesSimulatedTest, BetweenTwoWorkersTheChiefMayRefuse) {
  mount_ = mount();
  source_->hold(blob_.blob->digest);
  auto waiting = read_behind(0, 4096);
  source_->wait_for_reads(1);
  worker_.device->cut_off();  // no answer gets through, however quick it is
  std::thread killer([this] { kill_worker(); });
  source_->release(blob_.blob->digest);
  killer.join();
  survival_->refuse_outstanding();
  survival_->stand_in(0);
  if (is_demand()) {
    EXPECT_EQ(waiting.get().error, EIO);
  }
  const Worker dead = std::move(worker_);
  worker_ = start_worker();
  if (!is_demand()) {
    EXPECT_EQ(waiting.get().bytes, expected(0, 4096));
  }
  expect_bytes(0, 4096);
}

TEST_P(CachefilesSimulatedTest, AReaderThatIsKilledHarmsNobody) {
  mount_ = mount();
  source_->hold(blob_.blob->digest);
  simulate::Reader reader(*kernel_);
  auto killed = read_behind(0, 4096, &reader);
  source_->wait_for_reads(1);
  reader.kill();
  EXPECT_EQ(killed.get().error, EINTR);
  source_->release(blob_.blob->digest);
  expect_bytes(0, 4096);
  expect_bytes(128 * kKiB, 4096);
}

TEST_P(CachefilesSimulatedTest, AnImageIsMountedAgainWhileAFetchOfItIsUnderWay) {
  mount_ = mount();
  source_->hold(blob_.blob->digest);
  simulate::Reader reader(*kernel_);
  auto killed = read_behind(0, 4096, &reader);
  source_->wait_for_reads(1);
  reader.kill();
  killed.get();
  mount_.reset();
  mount_ = mount();
  auto next = read_behind(0, 4096);
  source_->release(blob_.blob->digest);
  EXPECT_EQ(next.get().bytes, expected(0, 4096));
}

TEST_P(CachefilesSimulatedTest, TwoImagesOfADomainShareTheirBlob) {
  mount_ = mount();
  expect_bytes(0, 64 * kKiB);
  const util::Buffer other = test::numbered_bytes(8 * kKiB, 11);
  const hash::Digest digest = hash::sha256(other);
  cache::ensure_cookie_file(root_, cookie(digest, other.size()));
  util::pwrite_full(util::open_file(path_of(digest), O_WRONLY).get(), other, 0, "bootstrap");
  worker_.transport->offer_local({path_of(digest), digest, nullptr});
  auto second = kernel_->mount({digest.hex(), "ondemand", {blob_.blob->digest.hex()}});
  ASSERT_EQ(second.error, 0);
  EXPECT_EQ(second.mount->read(blob_.blob->digest.hex(), 0, 4096).bytes, expected(0, 4096));
  EXPECT_EQ(source_->reads().size(), 1U);
}

TEST_P(CachefilesSimulatedTest, AnImageThatIsNotPreparedCannotBeReadAndHarmsNobody) {
  mount_ = mount();
  const std::string foreign(64, 'f');
  auto other = kernel_->mount({bootstrap_digest_.hex(), "other", {foreign}});
  if (is_demand()) {
    EXPECT_NE(other.error, 0);  // no such volume
  } else {
    // The bootstrap is known, its blob is not.
    ASSERT_EQ(other.error, 0);
    EXPECT_EQ(other.mount->read(bootstrap_digest_.hex(), 0, 4096).bytes.size(), 4096U);
    EXPECT_NE(other.mount->read(foreign, 0, 4096).error, 0);
    EXPECT_NE(kernel_->mount({foreign, "ondemand", {}}).error, 0);
  }
  expect_bytes(0, 4096);
}

// What demand mode does not have: there only prepared files are used, and the daemon itself writes
// them.
class OndemandSimulatedTest : public CachefilesSimulatedTest {};

TEST_P(OndemandSimulatedTest, AnImageWithoutTheDomainIsFilledIntoFilesOfItsOwn) {
  mount_ = mount("");
  EXPECT_EQ(mount_->read(bootstrap_digest_.hex(), 0, bootstrap_.size()).bytes, bootstrap_);
  expect_bytes(0, 128 * kKiB);
  auto shared = mount();
  EXPECT_EQ(shared->read(blob_.blob->digest.hex(), 0, 4096).bytes, expected(0, 4096));
}

TEST_P(OndemandSimulatedTest, ACacheThatIsFullIsAnErrorUntilThereIsRoom) {
  mount_ = mount();
  kernel_->set_free_percent(0);
  EXPECT_EQ(read(0, 4096).error, EIO);
  kernel_->set_free_percent(50);
  expect_bytes(0, 4096);
}

TEST_P(CachefilesSimulatedTest, TheDeathOfTheCacheIsNoticed) {
  mount_ = mount();
  expect_bytes(0, 4096);
  source_->hold(blob_.blob->digest);
  auto waiting = read_behind(512 * kKiB, 4096);
  source_->wait_for_reads(2);
  kernel_->fail_cache();
  EXPECT_NE(waiting.get().error, 0);
  source_->release(blob_.blob->digest);
  pollfd dead{worker_.transport->dead_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&dead, 1, 30'000), 1);
  survival_->note_dead();
  EXPECT_TRUE(survival_->is_dead());
}

INSTANTIATE_TEST_SUITE_P(Kernels, CachefilesSimulatedTest,
                         testing::Values(Case{CachefilesMode::kDemand, Release::k6_1},
                                         Case{CachefilesMode::kDemand, Release::k6_12},
                                         Case{CachefilesMode::kOndemand, Release::k6_1},
                                         Case{CachefilesMode::kOndemand, Release::k6_12}),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Kernels, OndemandSimulatedTest,
                         testing::Values(Case{CachefilesMode::kOndemand, Release::k6_1},
                                         Case{CachefilesMode::kOndemand, Release::k6_12}),
                         case_name);

}  // namespace
}  // namespace ondemand::transport
