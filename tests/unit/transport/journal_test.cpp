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

std::vector<int> fds_of(const std::vector<Journal::Pending>& pending) {
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
  EXPECT_EQ(pending[1].event.range, (util::ByteRange{8 * 4096, 4096}));
  journal.done(pending[0].slot);
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
  EXPECT_EQ(journal.accept(0, deliver(journal, 0, {5})).front().replays, 0U);
  EXPECT_EQ(journal.recover().front().replays, 1U);
  EXPECT_EQ(journal.recover().front().replays, 2U);
}

TEST(Journal, TakesNoMoreThanItCanHold) {
  Journal journal(2, 16);
  ASSERT_TRUE(journal.reserve());
  ASSERT_TRUE(journal.reserve());
  EXPECT_FALSE(journal.reserve());
  journal.unreserve();
  const auto pending = journal.accept(0, deliver(journal, 0, {5}));
  EXPECT_TRUE(journal.reserve());
  EXPECT_FALSE(journal.reserve());
  journal.unreserve();
  journal.done(pending[0].slot);
  EXPECT_TRUE(journal.reserve());
  EXPECT_TRUE(journal.reserve());
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
