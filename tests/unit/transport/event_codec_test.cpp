// SPDX-License-Identifier: Apache-2.0
#include "transport/event_codec.h"

#include <gtest/gtest.h>

#include "support/fanotify_event.h"
#include "transport/fanotify_abi.h"

namespace ondemand::transport {
namespace {

using test::append_event;
using test::append_metadata;
using test::append_number;
using test::append_range;

TEST(EventCodec, DecodesTheBytesThatTheKernelSends) {
  // Layout of Linux 6.18 on a little-endian machine, written out.
  const util::Buffer bytes{48, 0,    0,    0, 3,    0,    24, 0,   // event_len, vers, metadata_len
                           0,  0,    0x10, 0, 0,    0,    0,  0,   // mask FAN_PRE_ACCESS
                           9,  0,    0,    0, 0x39, 0x30, 0,  0,   // fd 9, pid 12345
                           6,  0,    24,   0, 0,    0,    0,  0,   // range record, len 24
                           0,  0x10, 0,    0, 1,    0,    0,  0,   // offset 0x100001000
                           0,  0,    2,    0, 0,    0,    0,  0};  // count 0x20000
  const DecodedEvents decoded = decode_events(bytes);
  ASSERT_EQ(decoded.events.size(), 1U);
  EXPECT_EQ(decoded.events[0], (Event{9, abi::kPreAccess, 12345, true, {0x100001000, 0x20000}}));
  EXPECT_EQ(decoded.malformed, 0U);
}

TEST(EventCodec, TakesAllEventsOfOneRead) {
  util::Buffer bytes;
  append_event(bytes, 5, 0, 4096);
  append_metadata(bytes, 24, abi::kPreAccess, 6);
  append_event(bytes, 7, 8192, 4096);
  const DecodedEvents decoded = decode_events(bytes);
  ASSERT_EQ(decoded.events.size(), 3U);
  EXPECT_FALSE(decoded.events[1].has_range);
  EXPECT_EQ(decoded.events[2].range, (util::ByteRange{8192, 4096}));
}

TEST(EventCodec, PassesOverRecordsThatItDoesNotKnow) {
  util::Buffer bytes;
  append_metadata(bytes, 24 + 8 + 24, abi::kPreAccess, 5);
  append_number(bytes, std::uint8_t{99});
  append_number(bytes, std::uint8_t{0});
  append_number(bytes, std::uint16_t{8});
  append_number(bytes, std::uint32_t{0});
  append_range(bytes, 4096, 4096);
  const DecodedEvents decoded = decode_events(bytes);
  ASSERT_EQ(decoded.events.size(), 1U);
  EXPECT_TRUE(decoded.events[0].has_range);
  EXPECT_EQ(decoded.malformed, 0U);
}

TEST(EventCodec, KeepsAnEventWhoseRecordIsBrokenSoThatItIsAnswered) {
  for (const unsigned wrong_len : {0U, 3U, 23U, 25U, 65535U}) {
    const auto len = static_cast<std::uint16_t>(wrong_len);
    util::Buffer bytes;
    append_metadata(bytes, 48, abi::kPreAccess, 5);
    append_range(bytes, 4096, 4096, len);
    append_event(bytes, 6, 0, 1);
    const DecodedEvents decoded = decode_events(bytes);
    ASSERT_EQ(decoded.events.size(), 2U) << len;
    EXPECT_FALSE(decoded.events[0].has_range) << len;
    EXPECT_EQ(decoded.malformed, 1U) << len;
  }
}

TEST(EventCodec, KeepsAnEventOfAnotherVersionButCountsIt) {
  util::Buffer bytes;
  append_metadata(bytes, 24, abi::kPreAccess, 5, 4);
  append_metadata(bytes, 24, abi::kPreAccess, 6, 3, 200);
  const DecodedEvents decoded = decode_events(bytes);
  EXPECT_EQ(decoded.events.size(), 2U);
  EXPECT_EQ(decoded.malformed, 2U);
}

TEST(EventCodec, EndsAtALengthThatCannotBe) {
  for (const std::uint32_t len : {0U, 23U, 49U, 0xffffffffU}) {
    util::Buffer bytes;
    append_metadata(bytes, len, abi::kPreAccess, 5);
    append_range(bytes, 0, 1);
    const DecodedEvents decoded = decode_events(bytes);
    EXPECT_TRUE(decoded.events.empty()) << len;
    EXPECT_EQ(decoded.malformed, 1U) << len;
  }
}

TEST(EventCodec, TakesAnyTruncationWithoutHarm) {
  util::Buffer bytes;
  append_event(bytes, 5, 0, 4096);
  append_event(bytes, 6, 4096, 4096);
  for (std::size_t len = 0; len <= bytes.size(); ++len) {
    const DecodedEvents decoded = decode_events(util::Bytes(bytes).first(len));
    EXPECT_EQ(decoded.events.size(), len / 48) << len;
    EXPECT_EQ(decoded.malformed, len % 48 == 0 ? 0U : 1U) << len;
  }
}

TEST(EventCodec, CountsAnOverflowAndHasNoDescriptorForIt) {
  util::Buffer bytes;
  append_metadata(bytes, 24, abi::kQueueOverflow, abi::kNoFd);
  const DecodedEvents decoded = decode_events(bytes);
  EXPECT_TRUE(decoded.events.empty());
  EXPECT_EQ(decoded.overflows, 1U);
}

TEST(FanotifyAbi, EncodesARefusalWithItsErrno) {
  EXPECT_EQ(abi::deny_errno(5), 0x05000002U);
}

}  // namespace
}  // namespace ondemand::transport
