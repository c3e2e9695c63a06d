// SPDX-License-Identifier: Apache-2.0
#include "util/bytes.h"

#include <gtest/gtest.h>

#include "util/endian.h"
#include "util/error.h"

namespace ondemand::util {
namespace {

struct Record {
  Le16 a;
  Le64 b;
  Be32 c;
};

TEST(Endian, StoresTheBytesInTheNamedOrder) {
  Record record{};
  record.a = 0x0102;
  record.b = 0x0102030405060708;
  record.c = 0x01020304;
  const Buffer expected{2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 1, 2, 3, 4};
  const Bytes bytes = object_bytes(record);
  EXPECT_EQ(Buffer(bytes.begin(), bytes.end()), expected);
  EXPECT_EQ(record.a, 0x0102);
  EXPECT_EQ(record.b, 0x0102030405060708U);
  EXPECT_EQ(record.c, 0x01020304U);
}

TEST(ByteReader, ReadsForwardAndRefusesToPassTheEnd) {
  const Buffer bytes{2, 1, 9, 9, 9};
  ByteReader reader(bytes, "object");
  EXPECT_EQ(reader.read<Le16>("first"), 0x0102);
  reader.skip(1, "gap");
  EXPECT_EQ(reader.remaining(), 2U);
  try {
    reader.read<Le32>("second");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_EQ(error.message(), "object: read second: 4 bytes wanted at offset 0x3, 2 left");
  }
  EXPECT_EQ(reader.remaining(), 2U) << "a refused read takes nothing";
}

}  // namespace
}  // namespace ondemand::util
