// SPDX-License-Identifier: Apache-2.0
//
// Behaviours at the end of readers, daemons and devices.
#include <unistd.h>

#include <cerrno>
#include <map>

#include "behaviour/cachefiles/behaviour_test.h"
#include "cachefiles/abi.h"
#include "cachefiles/ondemand_message.h"
#include "util/text.h"

namespace ondemand::behaviour {
namespace {

class Endings : public Behaviour {
 protected:
  // Ends the service, and with it all waiters, when a test that serves by hand ends early; an OPEN
  // that it took and did not answer would keep another daemon from serving them.
  class EndsService {
   public:
    explicit EndsService(Endings& test) : test_(test) {}
    ~EndsService() {
      if (!is_over_) test_.end_service();
    }
    EndsService(const EndsService&) = delete;
    EndsService& operator=(const EndsService&) = delete;
    void dismiss() { is_over_ = true; }

   private:
    Endings& test_;
    bool is_over_ = false;
  };
};
INSTANTIATE_TEST_SUITE_P(, Endings, testing::ValuesIn(parameters()), name_of);

// fscache/003
TEST_P(Endings, B03_AnotherTagIsTheSameCache) {
  prepare(image_, {"boot", ""});
  ASSERT_EQ(begin_service(1, "one"), 0);
  ASSERT_EQ(mount(image_), 0);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
  mount_.reset();
  end_service();
  ASSERT_EQ(begin_service(1, "two"), 0);
  ASSERT_EQ(mount(image_), 0);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
  EXPECT_EQ(daemon_->requests().size(), 0u);
}

// fscache/011
TEST_P(Endings, B11_DescriptorsMayOutliveTheDevice) {
  ONLY_ONDEMAND();
  begin();
  daemon_->stop();
  device_.reset();
  EXPECT_EQ(system_->open(Protocol::kOndemand).error, EBUSY);
  daemon_->close_descriptors();
  mount_.reset();
  daemon_.reset();
  ASSERT_EQ(begin_service(), 0);
  ASSERT_EQ(mount(image_), 0);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
}

// fscache/012; the daemon is killed with waiters.
TEST_P(Endings, B12_EndOfTheDaemonEndsAllWaiters) {
  begin();
  daemon_->stop();
  std::vector<std::unique_ptr<Reading>> readings;
  for (unsigned file = 0; file < 4; ++file) {
    readings.push_back(start(file));
    if (file < 2) {  // some read, some not
      ASSERT_TRUE(daemon_->take());
    }
  }
  ASSERT_TRUE(waits());
  end_service();
  for (const auto& reading : readings)
    EXPECT_EQ(reading->wait(), Outcome::kIoError);
  EXPECT_EQ(start(5)->wait(), Outcome::kIoError);
  // The mount stays as it is, whoever comes; a new one works.
  ASSERT_EQ(begin_service(), 0);
  EXPECT_EQ(start(5)->wait(), Outcome::kIoError);
  mount_.reset();
  ASSERT_EQ(mount(image_), 0);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
}

TEST_P(Endings, B17_KilledReaderTakesItsRequestBack) {
  begin();
  daemon_->stop();
  for (const bool is_taken : {false, true}) {
    const auto reading = start(is_taken ? 1 : 0);
    std::optional<Request> request;
    if (is_taken) {
      request = daemon_->take();
      ASSERT_TRUE(request);
    } else {
      ASSERT_TRUE(waits());
    }
    reading->kill();
    EXPECT_EQ(reading->wait(), Outcome::kKilled);
    EXPECT_TRUE(is_quiet());
    if (request) {
      EXPECT_EQ(daemon_->answer(*request, Answer::kNothing), EINVAL);
    }
  }
  EXPECT_EQ(device_->command("restore"), 0);
  EXPECT_TRUE(is_quiet());
  const auto one = start(1);
  const auto two = start(1);
  daemon_->start(1);
  EXPECT_EQ(one->wait(), Outcome::kGood);
  EXPECT_EQ(two->wait(), Outcome::kGood);
}

// What a daemon that has died had taken comes once more; the device and, in mainline's mode, the
// descriptors of objects are kept by somebody.
TEST_P(Endings, B19_SuccessorGetsWhatWasTakenAndNotAnswered) {
  begin();
  daemon_->stop();
  std::vector<std::unique_ptr<Reading>> readings;
  std::map<std::uint64_t, Request> taken;
  for (unsigned file = 0; file < 3; ++file) {
    readings.push_back(start(file));
    const auto request = daemon_->take();
    ASSERT_TRUE(request);
    EXPECT_FALSE(request->is_repeated);
    taken[request->id] = *request;
  }
  auto kept = system_->duplicate(*device_);
  std::swap(device_, kept);
  daemon_->use(*device_);
  kept.reset();  // nobody notices
  EXPECT_TRUE(is_quiet());
  EXPECT_EQ(device_->command("restore"), 0);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto request = daemon_->take();
    ASSERT_TRUE(request);
    ASSERT_TRUE(taken.contains(request->id));
    EXPECT_EQ(request->range, taken[request->id].range);
    EXPECT_EQ(request->is_repeated, is_demand());
    taken.erase(request->id);
    EXPECT_EQ(daemon_->answer(*request, Answer::kFill), 0);
    EXPECT_EQ(daemon_->answer(*request, Answer::kNothing), EINVAL);
  }
  daemon_->start(1);
  for (const auto& reading : readings)
    EXPECT_EQ(reading->wait(), Outcome::kGood);
}

// One thread answers while another says "restore": the work was done, and it counts.
TEST_P(Endings, B33_AnswerThatCrossesRestoreCountsOnce) {
  ONLY_DEMAND();
  begin();
  daemon_->stop();
  const auto reading = start(0);
  const auto request = daemon_->take();
  ASSERT_TRUE(request);
  EXPECT_EQ(device_->command("restore"), 0);
  EXPECT_EQ(daemon_->answer(*request, Answer::kFill), 0);
  EXPECT_EQ(daemon_->answer(*request, Answer::kNothing), EINVAL);
  daemon_->start(1);
  EXPECT_EQ(reading->wait(), Outcome::kGood);
}

// What tells an object that is opened again from one that is opened for the first time (B04), and
// why the daemon must not refuse it.
TEST_P(Endings, B32_RefusedReopenComesAgainAndKnowsItsSize) {
  ONLY_ONDEMAND();
  begin();
  ASSERT_EQ(read(image_.files[0], 0, 4096), Outcome::kGood);
  daemon_->stop();
  ASSERT_EQ(daemon_->close_descriptor("blob0"), 0);
  const auto reading = start(4);
  EndsService ends_service(*this);
  const auto size = static_cast<std::int64_t>(image_.blobs[0].size());
  for (int i = 0; i < 3; ++i) {
    const auto open = daemon_->take_open();
    ASSERT_TRUE(open);
    EXPECT_EQ(device_->seek_object(open->fd, 0, SEEK_END), size);
    EXPECT_EQ(device_->command(util::concat("copen ", open->message_id, ",-2")), 0);
    EXPECT_EQ(device_->close_object(open->fd), 0);
  }
  const auto open = daemon_->take_open();
  ASSERT_TRUE(open);
  EXPECT_EQ(device_->command(util::concat("copen ", open->message_id, ",", size)), 0);
  util::Buffer buffer(cachefiles::abi::kMaxMessageBytes);
  ASSERT_TRUE(waits());
  const auto got = device_->read(buffer);
  const auto message = cachefiles::decode_ondemand_message(util::Bytes(buffer).first(got.bytes));
  EXPECT_EQ(message.header.opcode, cachefiles::abi::kOpRead);
  EXPECT_EQ(message.header.object_id, open->object_id);
  EXPECT_EQ(device_->complete_read(open->fd, message.header.message_id), 0);
  // A kernel reads ahead, and tries again page by page.
  daemon_->adopt(*open, "erofs,boot", "blob0");
  daemon_->set_answer(Answer::kNothing);
  ends_service.dismiss();
  daemon_->start(1);
  EXPECT_EQ(reading->wait(), Outcome::kIoError);
  daemon_->set_answer(Answer::kFill);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
}

TEST_P(Endings, B29_MountWhoseDaemonIsGoneCanBeUnmounted) {
  begin();
  daemon_->stop();
  const auto reading = start(0);
  ASSERT_TRUE(daemon_->take());
  end_service();
  EXPECT_EQ(reading->wait(), Outcome::kIoError);
  mount_.reset();
}

}  // namespace
}  // namespace ondemand::behaviour
