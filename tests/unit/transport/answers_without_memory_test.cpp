// SPDX-License-Identifier: Apache-2.0
//
// The memory of the thread that handles a message of cachefiles ends, at each place where that can
// be: the message is answered all the same, and once.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <optional>

#include "cachefiles/abi.h"
#include "support/fake_source.h"
#include "support/frame_blob.h"
#include "support/no_memory.h"
#include "support/scripted_device.h"
#include "support/temporary_directory.h"
#include "transport/cachefiles_demand_transport.h"
#include "transport/ondemand_transport.h"

namespace ondemand::transport {
namespace {

namespace abi = cachefiles::abi;
using ::testing::AnyOf;
using ::testing::StartsWith;
using util::kKiB;

// Its reader has little memory from one message, which is told beforehand, to the next.
class PoorDevice : public test::ScriptedDevice {
 public:
  void send_poor(util::Buffer message, std::size_t times) {
    times_ = times;
    is_poor_next_ = true;
    was_used_up_ = false;
    send(std::move(message));
  }
  // Of the reader's memory, once the reader has ended.
  static bool was_used_up() { return was_used_up_; }
  std::size_t completions() const { return completions_; }
  std::size_t closes() const { return closes_; }

  Read read(util::MutableBytes buffer) override {
    poverty_.reset();
    const Read read = ScriptedDevice::read(buffer);
    if (read.bytes > 0 && is_poor_next_.exchange(false)) poverty_.emplace(times_);
    return read;
  }
  int command(std::string_view text) override {
    const test::EnoughMemory memory;
    return ScriptedDevice::command(text);
  }
  int complete_read(int fd, std::uint32_t message_id) override {
    const test::EnoughMemory memory;
    ++completions_;
    return ScriptedDevice::complete_read(fd, message_id);
  }
  int close_object(int fd) override {
    const test::EnoughMemory memory;
    ++closes_;
    return ScriptedDevice::close_object(fd);
  }

 private:
  struct Poverty {
    explicit Poverty(std::size_t times) : memory(times) {}
    ~Poverty() {
      if (memory.is_used_up()) was_used_up_ = true;
    }
    test::LittleMemory memory;
  };
  static inline thread_local std::optional<Poverty> poverty_;
  static inline std::atomic<bool> was_used_up_ = false;

  std::atomic<bool> is_poor_next_ = false;
  std::atomic<std::size_t> times_ = 0, completions_ = 0, closes_ = 0;
};

class AnswersWithoutMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(path_.parent_path());
    file_ = util::open_file(path_, O_RDWR | O_CREAT | O_DIRECT, 0600);
    source_->put(blob_.blob->digest, blob_.stored);
  }
  template <class AnyTransport, class... Arguments>
  void start(Arguments&&... arguments) {
    ASSERT_EQ(::ftruncate(file_.get(), 0), 0);
    ASSERT_EQ(::ftruncate(file_.get(), static_cast<off_t>(blob_.blob->size)), 0);
    engine_ =
        std::make_unique<serve::Engine>(serve::Sources{source_}, serve::EngineOptions{}, log_);
    transport_ =
        std::make_unique<AnyTransport>(std::forward<Arguments>(arguments)..., *engine_, log_);
    transport_->watch({path_, blob_.blob->digest, blob_.blob});
    transport_->start();
    EXPECT_EQ(device_.command_at(next_command_++), "restore");
  }
  void end() {
    transport_->stop(std::chrono::seconds(10));
    transport_.reset();
    engine_.reset();
  }
  util::Buffer open_message() const {
    cachefiles::OndemandMessage message;
    message.header = {1, abi::kOpOpen, 5};
    message.volume_key = "erofs,ondemand";
    message.cookie_key = blob_.blob->digest.hex();
    message.fd = file_.get();
    return cachefiles::encode_ondemand_message(message);
  }
  static util::Buffer read_message() {
    cachefiles::OndemandMessage message;
    message.header = {7, abi::kOpRead, 5};
    message.range = {100 * kKiB, 200 * kKiB};
    return cachefiles::encode_ondemand_message(message);
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "cache" / "Ierofs" / "@b5" / "Dblob";
  util::Fd file_;
  test::FrameBlob blob_ = test::make_frame_blob(test::numbered_bytes(512 * kKiB, 3), 64 * kKiB);
  std::shared_ptr<test::FakeSource> source_ = std::make_shared<test::FakeSource>("source");
  util::Log log_{util::LogLevel::kError, util::Log::null_sink()};
  WorkerNotes notes_;
  PoorDevice device_;
  std::unique_ptr<serve::Engine> engine_;
  std::unique_ptr<Transport> transport_;
  std::size_t next_command_ = 0;
};

TEST_F(AnswersWithoutMemoryTest, OfTheDemandDevice) {
  for (std::size_t times = 0; times == 0 || PoorDevice::was_used_up(); ++times) {
    start<CachefilesDemandTransport>(device_, directory_.path() / "cache", notes_);
    device_.send_poor(
        cachefiles::encode_demand_message(
            {7, abi::kDemandOpRead, {100 * kKiB, 200 * kKiB}, 0, "Ierofs/@b5/Dblob", false}),
        times);
    EXPECT_THAT(device_.command_at(next_command_++), AnyOf("done 7", StartsWith("fail 7,")));
    end();
    EXPECT_EQ(device_.commands(), next_command_) << times;
  }
}

TEST_F(AnswersWithoutMemoryTest, ToAnOpen) {
  for (std::size_t times = 0; times == 0 || PoorDevice::was_used_up(); ++times) {
    start<OndemandTransport>(device_, notes_);
    device_.send_poor(open_message(), times);
    EXPECT_THAT(device_.command_at(next_command_++), StartsWith("copen 1,"));
    end();
    EXPECT_EQ(device_.commands(), next_command_) << times;
    EXPECT_EQ(device_.closes(), times + 1);
  }
}

TEST_F(AnswersWithoutMemoryTest, ToAReadOfAnObject) {
  for (std::size_t times = 0; times == 0 || PoorDevice::was_used_up(); ++times) {
    start<OndemandTransport>(device_, notes_);
    device_.send(open_message());
    EXPECT_THAT(device_.command_at(next_command_++), StartsWith("copen 1,5"));
    device_.send_poor(read_message(), times);
    EXPECT_EQ(device_.completion_at(times).message_id, 7U);
    end();
    EXPECT_EQ(device_.completions(), times + 1);
    EXPECT_EQ(device_.closes(), times + 1);
  }
}

}  // namespace
}  // namespace ondemand::transport
