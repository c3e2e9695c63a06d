// SPDX-License-Identifier: Apache-2.0
#include "cachefiles/ondemand_message.h"

#include <gtest/gtest.h>

#include <cstring>

#include "cachefiles/abi.h"
#include "util/error.h"

namespace ondemand::cachefiles {
namespace {

void put32(util::Buffer& bytes, std::size_t at, std::uint32_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// As Linux 6.1 sent it (doc/KERNEL.md 2.1): 55 bytes.
util::Buffer open_message() {
  util::Buffer bytes(55);
  put32(bytes, 0, 1);    // msg_id
  put32(bytes, 4, 0);    // OPEN
  put32(bytes, 8, 55);   // len
  put32(bytes, 12, 3);   // object_id
  put32(bytes, 16, 15);  // volume key with its NUL
  put32(bytes, 20, 8);   // cookie key
  put32(bytes, 24, 4);   // fd
  std::memcpy(bytes.data() + 32, "erofs,boot.img\0boot.img", 23);
  return bytes;
}

util::ErrorCode failure(const util::Buffer& bytes) {
  try {
    decode_ondemand_message(bytes);
  } catch (const util::Error& error) {
    return error.code();
  }
  return util::ErrorCode::kInternal;
}

TEST(OndemandMessageCodec, ReadsAnOpen) {
  const OndemandMessage message = decode_ondemand_message(open_message());
  EXPECT_EQ(message.header, (OndemandHeader{1, abi::kOpOpen, 3}));
  EXPECT_EQ(message.volume_key, "erofs,boot.img");
  EXPECT_EQ(message.cookie_key, "boot.img");
  EXPECT_EQ(message.fd, 4);
  EXPECT_EQ(encode_ondemand_message(message), open_message());
}

TEST(OndemandMessageCodec, ReadsAReadAndAClose) {
  OndemandMessage message;
  message.header = {9, abi::kOpRead, 3};
  message.range = {8192, 65536};
  util::Buffer bytes = encode_ondemand_message(message);
  EXPECT_EQ(bytes.size(), 32U);
  EXPECT_EQ(decode_ondemand_message(bytes), message);
  bytes.resize(31);
  EXPECT_EQ(failure(bytes), util::ErrorCode::kCorrupt);
  put32(bytes, 8, 31);  // consistent, but too short for a range
  EXPECT_EQ(failure(bytes), util::ErrorCode::kCorrupt);

  message = OndemandMessage{};
  message.header = {10, abi::kOpClose, 3};
  bytes = encode_ondemand_message(message);
  EXPECT_EQ(bytes.size(), 16U);
  EXPECT_EQ(decode_ondemand_message(bytes), message);
}

TEST(OndemandMessageCodec, KeysMayHoldAnyByteThatTheKernelTakes) {
  OndemandMessage message;
  message.header = {1, abi::kOpOpen, 1};
  message.volume_key = std::string(255, '\xff');
  message.cookie_key = std::string("a\0\n/", 4) + std::string(251, ' ');
  message.fd = 0x7fffffff;
  EXPECT_EQ(decode_ondemand_message(encode_ondemand_message(message)), message);
  message.cookie_key += 'x';
  EXPECT_THROW(encode_ondemand_message(message), util::Error);
}

TEST(OndemandMessageCodec, RefusesEveryCutOpen) {
  for (std::uint32_t len = 0; len < open_message().size(); ++len) {
    util::Buffer bytes = open_message();
    bytes.resize(len);
    EXPECT_EQ(failure(bytes), util::ErrorCode::kCorrupt) << len;
    if (len >= 12) put32(bytes, 8, len);
    EXPECT_EQ(failure(bytes), util::ErrorCode::kCorrupt) << len;
  }
}

TEST(OndemandMessageCodec, RefusesKeySizesThatDoNotFit) {
  struct Case {
    std::uint32_t volume, cookie;
  };
  for (const Case& sizes : {Case{0, 8},
                            {1, 8},
                            {14, 8},
                            {16, 8},
                            {257, 1},
                            {15, 0},
                            {15, 9},
                            {15, 256},
                            {0xffffffff, 8},
                            {15, 0xfffffff9},
                            {0x80000000, 0x80000017}}) {
    util::Buffer bytes = open_message();
    put32(bytes, 16, sizes.volume);
    put32(bytes, 20, sizes.cookie);
    EXPECT_EQ(failure(bytes), util::ErrorCode::kCorrupt) << sizes.volume << ' ' << sizes.cookie;
  }
}

TEST(OndemandMessageCodec, RefusesADescriptorThatIsNone) {
  util::Buffer bytes = open_message();
  put32(bytes, 24, 0x80000000);
  EXPECT_EQ(failure(bytes), util::ErrorCode::kCorrupt);
}

TEST(OndemandMessageCodec, TellsWhomToAnswerForAnOpcodeOfTheFuture) {
  util::Buffer bytes = open_message();
  put32(bytes, 4, 3);
  EXPECT_EQ(failure(bytes), util::ErrorCode::kUnsupported);
  EXPECT_EQ(ondemand_header(bytes), (OndemandHeader{1, 3, 3}));
  bytes.resize(15);
  EXPECT_EQ(ondemand_header(bytes), std::nullopt);
}

}  // namespace
}  // namespace ondemand::cachefiles
