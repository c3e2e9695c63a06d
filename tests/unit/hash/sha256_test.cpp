// SPDX-License-Identifier: Apache-2.0
#include "hash/sha256.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "hash/sha256_blocks.h"

namespace ondemand::hash {
namespace {

using Engine = Sha256::Engine;

util::Buffer random_bytes(std::size_t len, unsigned seed) {
  std::mt19937 random(seed);
  util::Buffer out(len);
  for (std::uint8_t& byte : out)
    byte = static_cast<std::uint8_t>(random());
  return out;
}

Digest digest_of(util::Bytes bytes, Engine engine) {
  Sha256 sha(engine);
  sha.update(bytes);
  return sha.finish();
}

class Sha256Engines : public testing::TestWithParam<Engine> {};

// Source: NIST, "Examples with Intermediate Values", SHA-256 one and two blocks; CAVP SHA256 short
// messages; the million of FIPS 180-2, appendix B.3.
TEST_P(Sha256Engines, MatchPublishedVectors) {
  const std::pair<std::string, std::string> vectors[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmn"
       "o"
       "pqrsmnopqrstnopqrstu",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string("\xd3", 1), "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
      {std::string(1000000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  for (const auto& [text, hex] : vectors)
    EXPECT_EQ(digest_of(util::as_bytes(text), GetParam()).hex(), hex) << text.size();
}

TEST_P(Sha256Engines, AgreeForEveryLengthAndEveryCutNearBlocks) {
  const util::Buffer data = random_bytes(200, 1);
  for (std::size_t len = 0; len <= data.size(); ++len) {
    const util::Bytes bytes = util::Bytes(data).first(len);
    const Digest want = digest_of(bytes, Engine::kOpenSsl);
    Sha256 sha(GetParam());
    for (std::size_t cut = 0; cut <= len; ++cut) {
      sha.update(bytes.first(cut));
      sha.update(bytes.subspan(cut));
      ASSERT_EQ(sha.finish(), want) << len << " cut at " << cut;
    }
  }
}

TEST_P(Sha256Engines, AgreeForLongMessagesInRandomPieces) {
  std::mt19937 random(2);
  for (unsigned round = 0; round < 50; ++round) {
    const util::Buffer data = random_bytes(random() % 70000, round);
    Sha256 sha(GetParam());
    util::Bytes rest(data);
    while (!rest.empty()) {
      const std::size_t len = std::min<std::size_t>(rest.size(), random() % 5000);
      sha.update(rest.first(len));
      rest = rest.subspan(len);
    }
    ASSERT_EQ(sha.finish(), digest_of(data, Engine::kOpenSsl)) << data.size();
  }
}

TEST_P(Sha256Engines, GoOnAfterBeingMoved) {
  Sha256 first(GetParam());
  first.update(util::as_bytes("a"));
  Sha256 second = std::move(first);
  second.update(util::as_bytes("bc"));
  EXPECT_EQ(second.finish(), sha256(util::as_bytes("abc")));
}

// A set of streams cut into pieces and of whole messages, with what they must give.
struct Mixture {
  explicit Mixture(std::mt19937& random) {
    for (std::size_t i = random() % 4; i > 0; --i)
      stream_data.push_back(random_bytes(random() % 20000, static_cast<unsigned>(random())));
    for (std::size_t i = random() % 6; i > 0; --i)
      message_data.push_back(random_bytes(random() % 9000, static_cast<unsigned>(random())));
    for (const util::Buffer& data : stream_data) {
      util::Bytes rest(data);
      pieces.emplace_back();
      while (!rest.empty()) {
        const std::size_t len = std::min<std::size_t>(rest.size(), random() % 700);
        pieces.back().push_back(rest.first(len));
        rest = rest.subspan(len);
      }
    }
  }
  std::vector<util::Buffer> stream_data;
  std::vector<util::Buffer> message_data;
  std::vector<std::vector<util::Bytes>> pieces;
};

TEST_P(Sha256Engines, TogetherGiveTheDigestsOfEach) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    const Mixture mixture(random);
    std::vector<Sha256> running;
    for (std::size_t i = 0; i < mixture.stream_data.size(); ++i) {
      running.emplace_back(GetParam());
      running.back().update(util::as_bytes("begun before"));
    }
    std::vector<Sha256Stream> streams;
    for (std::size_t i = 0; i < running.size(); ++i)
      streams.push_back({&running[i], mixture.pieces[i]});
    std::vector<Digest> digests(mixture.message_data.size());
    std::vector<Sha256Message> messages;
    for (std::size_t i = 0; i < digests.size(); ++i)
      messages.push_back({mixture.message_data[i], &digests[i]});

    sha256_together(streams, messages, GetParam());

    for (std::size_t i = 0; i < running.size(); ++i) {
      Sha256 want(Engine::kOpenSsl);
      want.update(util::as_bytes("begun before"));
      want.update(mixture.stream_data[i]);
      ASSERT_EQ(running[i].finish(), want.finish()) << "stream " << i << " of round " << round;
    }
    for (std::size_t i = 0; i < digests.size(); ++i)
      ASSERT_EQ(digests[i], digest_of(mixture.message_data[i], Engine::kOpenSsl))
          << "message " << i << " of round " << round;
  }
}

TEST_P(Sha256Engines, TogetherTakeTheSameBytesForTwoDigests) {
  const util::Buffer data = random_bytes(100000, 4);
  const std::vector<util::Bytes> pieces = {data};
  Sha256 one(GetParam());
  Sha256 two(GetParam());
  Digest three;
  const Sha256Stream streams[] = {{&one, pieces}, {&two, pieces}};
  const Sha256Message messages[] = {{data, &three}};
  sha256_together(streams, messages, GetParam());
  const Digest want = digest_of(data, Engine::kOpenSsl);
  EXPECT_EQ(one.finish(), want);
  EXPECT_EQ(two.finish(), want);
  EXPECT_EQ(three, want);
}

TEST_P(Sha256Engines, TogetherDoNothingForNothing) {
  sha256_together({}, {}, GetParam());
  Sha256 sha(GetParam());
  const Sha256Stream stream[] = {{&sha, {}}};
  sha256_together(stream, {}, GetParam());
  EXPECT_EQ(sha.finish(), sha256({}));
}

INSTANTIATE_TEST_SUITE_P(All, Sha256Engines, testing::Values(Engine::kBest, Engine::kOpenSsl),
                         [](const auto& engine) {
                           return engine.param == Engine::kBest ? "Best" : "OpenSsl";
                         });

// Where this is skipped, "Best" was OpenSSL's as well.
TEST(Sha256Blocks, TellWhetherTheProcessorHasTheInstructions) {
  if (!has_sha256_instructions()) GTEST_SKIP() << "no SHA instructions here";
}

}  // namespace
}  // namespace ondemand::hash
