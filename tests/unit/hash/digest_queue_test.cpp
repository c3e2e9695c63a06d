// SPDX-License-Identifier: Apache-2.0
#include "hash/digest_queue.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ondemand::hash {
namespace {

std::shared_ptr<util::Buffer> random_bytes(std::size_t len, unsigned seed) {
  std::mt19937 random(seed);
  auto out = std::make_shared<util::Buffer>(len);
  for (std::uint8_t& byte : *out)
    byte = static_cast<std::uint8_t>(random());
  return out;
}

TEST(DigestQueue, TakesTheBytesOfEachDigestInTheirOrder) {
  util::ThreadPool pool(3, 4);
  DigestQueue queue(pool);
  std::mt19937 random(1);
  Sha256 have[3];
  Sha256 want[3];
  std::vector<Digest> messages(60);
  std::vector<Digest> want_messages;
  for (unsigned i = 0; i < 60; ++i) {
    const auto bytes = random_bytes(1 + random() % 300000, i);
    const std::size_t at = random() % 3;
    queue.update(have[at], bytes);
    want[at].update(*bytes);
    queue.digest(bytes, messages[i]);
    want_messages.push_back(sha256(*bytes));
    if (i == 30) queue.flush();
  }
  queue.flush();
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(have[i].finish(), want[i].finish()) << i;
  EXPECT_EQ(messages, want_messages);
}

TEST(DigestQueue, HoldsAMessageOnlyUntilItIsDigested) {
  util::ThreadPool pool(1, 1);
  DigestQueue queue(pool);
  const auto bytes = random_bytes(100, 1);
  Digest digest;
  queue.digest(bytes, digest);
  EXPECT_EQ(bytes.use_count(), 2);
  queue.flush();
  EXPECT_EQ(bytes.use_count(), 1);
}

TEST(DigestQueue, WaitsForItsTasksWhenItIsDestroyed) {
  util::ThreadPool pool(2, 4);
  const auto bytes = random_bytes(3 << 20, 2);
  Digest digest;
  {
    DigestQueue queue(pool);
    queue.digest(bytes, digest);
  }
  EXPECT_EQ(digest, sha256(*bytes));
}

TEST(DigestQueue, FlushOfNothingReturns) {
  util::ThreadPool pool(1, 1);
  DigestQueue queue(pool);
  queue.flush();
  queue.flush();
}

}  // namespace
}  // namespace ondemand::hash
