// SPDX-License-Identifier: Apache-2.0
#include "transport/journal.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "support/fanotify_event.h"

namespace ondemand::transport {
namespace {

// As if the kernel had copied these events to the buffer of a reader.
std::size_t deliver(Journal& journal, std::size_t reader, std::initializer_list<int> fds) {
  util::Buffer bytes;
  for (const int fd : fds)
    test::append_event(bytes, fd, static_cast<std::uint64_t>(fd) * 4096, 4096);
  std::copy(bytes.begin(), bytes.end(), journal.buffer(reader).begin());
  return bytes.size();
}

template <class Events>
std::vector<int> fds_of(const Events& pending) {
  std::vector<int> fds;
  for (const Journal::Pending& entry : pending)
    fds.push_back(entry.event.fd);
  std::sort(fds.begin(), fds.end());
  return fds;
}

TEST(Journal, HandsOutWhatWasReadAndForgetsWhatIsDone) {
  Journal journal(2, 32);
  ASSERT_TRUE(journal.reserve());
  const auto pending = journal.accept(1, deliver(journal, 1, {7, 8}));
  EXPECT_EQ(fds_of(pending), (std::vector<int>{7, 8}));
  EXPECT_EQ(journal.outstanding(), 2U);
  EXPECT_EQ(pending.events[1].event.range, (util::ByteRange{8 * 4096, 4096}));
  journal.done(pending.begin()->slot);
  EXPECT_EQ(fds_of(journal.recover()), (std::vector<int>{8}));
  EXPECT_EQ(journal.answered(), 1U);
}

TEST(Journal, FindsEventsThatWereReadButNotYetTakenOver) {
  Journal journal(2, 32);
  deliver(journal, 0, {5});  // killed between read() and accept()
  deliver(journal, 1, {6, 9});
  EXPECT_EQ(journal.descriptors(), (std::vector<int>{5, 6, 9}));
  EXPECT_EQ(fds_of(journal.recover()), (std::vector<int>{5, 6, 9}));
  EXPECT_EQ(journal.recover().size(), 3U);  // no event twice, none lost
}

TEST(Journal, FindsAnEventOnceThatIsInASlotAndStillInTheBuffer) {
  Journal journal(1, 16);
  ASSERT_TRUE(journal.reserve());
  journal.accept(0, deliver(journal, 0, {5}));
  deliver(journal, 0, {5, 6});  // killed before the buffer was cleared
  EXPECT_EQ(fds_of(journal.recover()), (std::vector<int>{5, 6}));
}

TEST(Journal, CountsTheDeathsThatAnEventOutlived) {
  Journal journal(1, 16);
  ASSERT_TRUE(journal.reserve());
  EXPECT_EQ(journal.accept(0, deliver(journal, 0, {5})).begin()->replays, 0U);
  EXPECT_EQ(journal.recover().front().replays, 1U);
  EXPECT_EQ(journal.recover().front().replays, 2U);
}

TEST(Journal, TakesNoMoreThanItCanHold) {
  Journal journal(2, 2 * Journal::kEventsPerRead);
  ASSERT_TRUE(journal.reserve());
  ASSERT_TRUE(journal.reserve());
  EXPECT_FALSE(journal.reserve());
  journal.unreserve();
  const auto pending = journal.accept(0, deliver(journal, 0, {5}));
  EXPECT_TRUE(journal.reserve());
  EXPECT_FALSE(journal.reserve());
  journal.unreserve();
  journal.done(pending.begin()->slot);
  EXPECT_TRUE(journal.reserve());
  EXPECT_TRUE(journal.reserve());
}

TEST(Journal, HasRoomForAReadOfTheShortestEvents) {
  Journal journal(1, Journal::kEventsPerRead);
  ASSERT_TRUE(journal.reserve());
  util::Buffer bytes;
  for (int fd = 0; bytes.size() < journal.buffer(0).size(); ++fd)
    test::append_metadata(bytes, 24, 0x00100000, fd);
  ASSERT_EQ(bytes.size(), journal.buffer(0).size());
  std::copy(bytes.begin(), bytes.end(), journal.buffer(0).begin());
  EXPECT_EQ(journal.accept(0, bytes.size()).count, Journal::kEventsPerRead);
  EXPECT_EQ(journal.outstanding(), Journal::kEventsPerRead);
}

TEST(Journal, CountsWhatWasWrong) {
  Journal journal(1, Journal::kEventsPerRead);
  ASSERT_TRUE(journal.reserve());
  util::Buffer bytes;
  test::append_event(bytes, 5, 0, 4096);
  test::append_metadata(bytes, 24, 0x4000, -1);  // FAN_Q_OVERFLOW
  test::append_metadata(bytes, 4096, 0x00100000, 6);
  std::copy(bytes.begin(), bytes.end(), journal.buffer(0).begin());
  const Journal::Batch batch = journal.accept(0, bytes.size());
  EXPECT_EQ(fds_of(batch), std::vector<int>{5});
  EXPECT_EQ(batch.malformed, 1U);
  EXPECT_EQ(batch.overflows, 1U);
}

TEST(Journal, OutlivesTheProcessThatWroteIt) {
  Journal journal(1, 16);
  const pid_t child = ::fork();
  if (child == 0) {
    journal.reserve();
    journal.accept(0, deliver(journal, 0, {5}));
    deliver(journal, 0, {6});
    ::kill(::getpid(), SIGKILL);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(fds_of(journal.recover()), (std::vector<int>{5, 6}));
}

}  // namespace
}  // namespace ondemand::transport
