// SPDX-License-Identifier: Apache-2.0
//
// What demandd watches of prepared images, over the transports of cachefiles.  Over fanotify:
// demandd_survival.py.
#include "demandd/image_registrar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <fstream>

#include "cache/prepare.h"
#include "cachefiles/abi.h"
#include "cachefiles/ondemand_message.h"
#include "support/fake_source.h"
#include "support/scripted_device.h"
#include "support/temporary_directory.h"
#include "transport/cachefiles_demand_transport.h"
#include "transport/ondemand_transport.h"
#include "unit/cache/image_source.h"
#include "util/error.h"

namespace ondemand::demandd {
namespace {

namespace abi = cachefiles::abi;
using testing::HasSubstr;
using testing::Not;

// Cannot watch one of the files.
class PoorTransport : public transport::Transport {
 public:
  PoorTransport(std::filesystem::path unwatchable, util::ErrorCode why)
      : unwatchable_(std::move(unwatchable)), why_(why) {}
  std::string_view name() const override { return "poor"; }
  void watch(const transport::BackingFile& file) override {
    if (file.path == unwatchable_) throw util::Error(why_, "file: watch: scripted fault");
    watched.push_back(file.path);
  }
  void start() override {}
  void stop(std::chrono::milliseconds) override {}
  transport::TransportCounters counters() const override { return {}; }
  std::vector<transport::WatchedFileInfo> files() const override { return {}; }

  std::vector<std::filesystem::path> watched;

 private:
  const std::filesystem::path unwatchable_;
  const util::ErrorCode why_;
};

class ImageRegistrarTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::setxattr(directory_.path().c_str(), "user.test", "", 0, 0) != 0)
      GTEST_SKIP() << "the temporary directory's file system has no user attributes";
    std::vector<oci::Descriptor> layers;
    for (unsigned i = 0; i < 2; ++i) {
      const util::Buffer view = test::pattern(200'000 + i * 100'000, i);
      const auto device = test::make_device(images_, view, true, test::IndexKind::kStandalone);
      layers.insert(layers.end(), device.begin(), device.end());
    }
    layers.push_back(test::make_bootstrap(images_, test::pattern(8192, 9), false));
    manifest_ = test::add_image(images_, "app:1", layers);
    prepare();
  }
  void TearDown() override {
    if (transport_) transport_->stop(std::chrono::milliseconds(0));
  }
  void prepare() { image_ = cache::prepare_image(root_, images_, "app:1", {}); }
  void start(bool is_demand) {
    registrar_.reset();
    transport_.reset();
    engine_ =
        std::make_unique<serve::Engine>(serve::Sources{source_}, serve::EngineOptions{}, log_);
    if (is_demand) {
      transport_ = std::make_unique<transport::CachefilesDemandTransport>(
          device_, root_.cache_directory(), notes_, *engine_, log_);
    } else {
      transport_ = std::make_unique<transport::OndemandTransport>(device_, notes_, *engine_, log_);
    }
    registrar_ = std::make_unique<ImageRegistrar>(root_, *transport_, log_);
    registrar_->add_all();
    transport_->start();
    EXPECT_EQ(device_.command_at(next_command_++), "restore");
  }
  // What the kernel is told when it opens that file for the first time.
  std::string answer_to_open(const hash::Digest& digest) {
    cachefiles::OndemandMessage message;
    message.header = {1, abi::kOpOpen, 5};
    message.volume_key = root_.volume_key();
    message.cookie_key = digest.hex();
    message.fd = 1000;  // is none
    device_.send(cachefiles::encode_ondemand_message(message));
    return device_.command_at(next_command_++);
  }
  std::vector<hash::Digest> watched() const {
    std::vector<hash::Digest> digests;
    for (const transport::WatchedFileInfo& file : transport_->files())
      digests.push_back(file.digest);
    return digests;
  }
  std::string take_lines() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }

  test::TemporaryDirectory directory_;
  cache::CacheRoot root_{directory_.path() / "cache"};
  test::ImageSource images_;
  hash::Digest manifest_;
  cache::PreparedImage image_;
  std::mutex mutex_;
  std::string lines_;
  util::Log log_{util::LogLevel::kError, [this](util::LogLevel, std::string_view line) {
                   const std::lock_guard lock(mutex_);
                   lines_.append(line).append("\n");
                 }};
  std::shared_ptr<test::FakeSource> source_ = std::make_shared<test::FakeSource>("source");
  transport::WorkerNotes notes_;
  test::ScriptedDevice device_;
  std::unique_ptr<serve::Engine> engine_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<ImageRegistrar> registrar_;
  std::size_t next_command_ = 0;
};

TEST_F(ImageRegistrarTest, AllOfAnImageIsWatched) {
  for (const bool is_demand : {false, true}) {
    start(is_demand);
    EXPECT_EQ(watched().size(), 2U);
    EXPECT_EQ(registrar_->images(), 1U);
    EXPECT_EQ(take_lines(), "");
    transport_->stop(std::chrono::milliseconds(0));
  }
}

TEST_F(ImageRegistrarTest, AMissingBackingFileHarmsNoOtherBlob) {
  std::filesystem::remove(image_.blobs[0].backing_file);
  start(true);
  EXPECT_THAT(watched(), testing::ElementsAre(image_.blobs[1].digest));
  const std::string lines = take_lines();
  EXPECT_THAT(lines, HasSubstr(image_.blobs[0].backing_file.native()));
  EXPECT_THAT(lines, HasSubstr("blobctl prepare"));
  EXPECT_THAT(lines, Not(HasSubstr(image_.blobs[1].digest.hex())));
  EXPECT_EQ(registrar_->images(), 0U);
  registrar_->add_all();
  EXPECT_EQ(take_lines(), "");  // told already
  EXPECT_THROW(registrar_->add(manifest_), util::Error);

  prepare();
  registrar_->add_all();
  EXPECT_EQ(watched().size(), 2U);
  EXPECT_EQ(registrar_->images(), 1U);
  registrar_->add(manifest_);
}

// Else nobody would: the guard of the last demandd goes when all are watched.
TEST_F(ImageRegistrarTest, AStrayThatCannotBeWatchedIsNotPassedOver) {
  for (const cache::PreparedBlob& blob : image_.blobs) {
    PoorTransport poor(blob.backing_file, util::ErrorCode::kIo);
    ImageRegistrar registrar(root_, poor, log_);
    EXPECT_THROW(registrar.add_strays(), util::Error);
    EXPECT_EQ(poor.watched.size(), 1U);
    EXPECT_THAT(take_lines(), HasSubstr(blob.backing_file.native()));

    PoorTransport late(blob.backing_file, util::ErrorCode::kNotFound);
    ImageRegistrar(root_, late, log_).add_strays();
    EXPECT_EQ(late.watched.size(), 1U);
  }
}

TEST_F(ImageRegistrarTest, AFileThatIsNoFileHarmsNoOtherBlob) {
  std::filesystem::remove(image_.blobs[0].backing_file);
  std::filesystem::create_directory(image_.blobs[0].backing_file);
  for (const bool is_demand : {false, true}) {
    start(is_demand);
    EXPECT_THAT(watched(), testing::ElementsAre(image_.blobs[1].digest));
    EXPECT_THAT(take_lines(), HasSubstr("not a regular file"));
    transport_->stop(std::chrono::milliseconds(0));
  }
}

TEST_F(ImageRegistrarTest, AMissingBootstrapHarmsNoBlob) {
  std::filesystem::remove(image_.bootstrap);
  for (const bool is_demand : {false, true}) {
    start(is_demand);
    EXPECT_EQ(watched().size(), 2U);
    EXPECT_THAT(take_lines(), HasSubstr(image_.bootstrap.native()));
    transport_->stop(std::chrono::milliseconds(0));
  }
}

// In mainline's mode the kernel has the files: that of a mounted image may have lost its name, and
// is filled all the same.
TEST_F(ImageRegistrarTest, MainlineNeedsNoBackingFileThatHasAName) {
  for (const cache::PreparedBlob& blob : image_.blobs)
    std::filesystem::remove(blob.backing_file);
  start(false);
  EXPECT_EQ(watched().size(), 2U);
  EXPECT_EQ(registrar_->images(), 1U);
  EXPECT_EQ(take_lines(), "");
  for (const cache::PreparedBlob& blob : image_.blobs)
    EXPECT_EQ(answer_to_open(blob.digest), util::concat("copen 1,", blob.size));
  EXPECT_FALSE(transport_->files().at(0).is_complete);
}

TEST_F(ImageRegistrarTest, ABlobWithoutItsFileAndItsIndexIsNotKnown) {
  std::filesystem::remove(image_.blobs[0].backing_file);
  std::ofstream(image_.blobs[0].chunk_index) << "damage";
  start(false);
  EXPECT_THAT(watched(), testing::ElementsAre(image_.blobs[1].digest));
  const std::string lines = take_lines();
  EXPECT_THAT(lines, HasSubstr("not the chunk index"));
  EXPECT_THAT(lines, HasSubstr(image_.blobs[0].backing_file.native()));
  registrar_->add_all();
  EXPECT_EQ(take_lines(), "");  // told already
  EXPECT_EQ(answer_to_open(image_.blobs[0].digest), "copen 1,-2");
}

}  // namespace
}  // namespace ondemand::demandd
