// SPDX-License-Identifier: Apache-2.0
#include "cachefiles/demand_message.h"

#include <gtest/gtest.h>

#include <cstring>

#include "cachefiles/abi.h"
#include "util/error.h"

namespace ondemand::cachefiles {
namespace {

const std::string kPath = "Ierofs,ondemand/@b5/Dblob1";

// The 48 + 27 bytes of a message, filled up to 80; x86-64 order.
util::Buffer literal() {
  const std::string hex =
      "50000000"
      "01000000"          // len, op
      "2a00000000000000"  // id
      "0000100000000000"  // off
      "0000010000000000"  // count
      "0000200000000000"  // object_size
      "1a000000"
      "01000000"  // path_len, flags
      "4965726f66732c6f6e64656d616e642f406235"
      "2f44626c6f6231"
      "00"
      "0000000000";
  util::Buffer bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

util::ErrorCode failure(const util::Buffer& bytes) {
  try {
    decode_demand_message(bytes);
  } catch (const util::Error& error) {
    return error.code();
  }
  return util::ErrorCode::kInternal;
}

void put32(util::Buffer& bytes, std::size_t at, std::uint32_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

TEST(DemandMessageCodec, ReadsTheBytesThatTheKernelSends) {
  EXPECT_EQ(decode_demand_message(literal()),
            (DemandMessage{42, abi::kDemandOpRead, {1 << 20, 1 << 16}, 1 << 21, kPath, true}));
}

TEST(DemandMessageCodec, WritesTheSameBytes) {
  EXPECT_EQ(encode_demand_message(decode_demand_message(literal())), literal());
}

TEST(DemandMessageCodec, LetsTheKernelAddToAMessage) {
  util::Buffer bytes = literal();
  bytes.resize(bytes.size() + 8, 0xff);
  put32(bytes, 0, static_cast<std::uint32_t>(bytes.size()));
  put32(bytes, 44, 0xfffffffe);  // flags that nobody knows yet
  put32(bytes, 4, 7);            // so is the operation
  const DemandMessage message = decode_demand_message(bytes);
  EXPECT_EQ(message.path, kPath);
  EXPECT_EQ(message.op, 7U);
  EXPECT_FALSE(message.is_repeated);
}

TEST(DemandMessageCodec, RefusesEveryCutMessage) {
  for (std::size_t len = 0; len < literal().size(); ++len) {
    util::Buffer bytes = literal();
    bytes.resize(len);
    EXPECT_EQ(failure(bytes), util::ErrorCode::kCorrupt) << len;
  }
}

TEST(DemandMessageCodec, RefusesAPathThatEndsElsewhere) {
  for (const std::uint32_t len : {0U, 25U, 27U, 32U, 33U, 0xffffffffU}) {
    util::Buffer bytes = literal();
    put32(bytes, 40, len);
    EXPECT_EQ(failure(bytes), util::ErrorCode::kCorrupt) << len;
  }
}

TEST(DemandMessageCodec, RefusesWhatIsLongerThanAnyMessage) {
  DemandMessage message;
  message.path.assign(abi::kMaxMessageBytes - sizeof(abi::DemandMessage) - 1, 'x');
  EXPECT_EQ(decode_demand_message(encode_demand_message(message)), message);
  message.path += 'x';
  EXPECT_THROW(encode_demand_message(message), util::Error);
}

TEST(DemandMessageCodec, TellsWhomToAnswerWhenTheRestIsBad) {
  util::Buffer bytes = literal();
  bytes.resize(16);
  EXPECT_EQ(failure(bytes), util::ErrorCode::kCorrupt);
  EXPECT_EQ(demand_message_id(bytes), 42U);
  bytes.resize(15);
  EXPECT_EQ(demand_message_id(bytes), std::nullopt);
}

TEST(CompatMessageCodec, Takes280Bytes) {
  const CompatMessage message{7, {4096, 8192}, "Dblob1.img"};
  util::Buffer bytes = encode_compat_message(message);
  EXPECT_EQ(bytes.size(), 280U);
  EXPECT_EQ(std::memcmp(bytes.data() + 24, "Dblob1.img\0", 11), 0);
  EXPECT_EQ(decode_compat_message(bytes), message);
  bytes.push_back(0);
  EXPECT_THROW(decode_compat_message(bytes), util::Error);
  bytes.resize(279);
  EXPECT_THROW(decode_compat_message(bytes), util::Error);
}

TEST(CompatMessageCodec, RefusesANameThatIsEmptyOrDoesNotEnd) {
  util::Buffer bytes = encode_compat_message({7, {4096, 8192}, "D"});
  std::memset(bytes.data() + 24, 'x', 256);
  EXPECT_THROW(decode_compat_message(bytes), util::Error);
  std::memset(bytes.data() + 24, 0, 256);
  EXPECT_THROW(decode_compat_message(bytes), util::Error);
  EXPECT_THROW(encode_compat_message({1, {}, std::string(256, 'x')}), util::Error);
}

}  // namespace
}  // namespace ondemand::cachefiles
