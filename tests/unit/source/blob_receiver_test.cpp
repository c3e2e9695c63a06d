// SPDX-License-Identifier: Apache-2.0
#include "source/blob_receiver.h"

#include <gtest/gtest.h>

namespace ondemand::source {
namespace {

http::Response answer(int status, std::optional<std::uint64_t> length,
                      const char* content_range = nullptr, const char* type = nullptr) {
  http::Response response;
  response.status = status;
  response.content_length = length;
  if (content_range != nullptr) {
    response.headers.add("Content-Range", content_range);
    response.content_range = http::parse_content_range(content_range);
  }
  if (type != nullptr) response.headers.add("Content-Type", type);
  return response;
}

constexpr util::ByteRange kWanted{10, 5};

TEST(BlobAnswer, IsAcceptedWhenItIsExactlyTheRange) {
  EXPECT_EQ(check_answer(answer(206, 5, "bytes 10-14/100"), kWanted, false), "");
  EXPECT_EQ(check_answer(answer(206, {}, "bytes 10-14/*"), kWanted, false), "");
  EXPECT_EQ(check_answer(answer(200, 5), kWanted, true), "");
}

TEST(BlobAnswer, IsRefusedWhenAnythingDiffers) {
  EXPECT_EQ(check_answer(answer(206, 5), kWanted, false), "partial content without Content-Range");
  EXPECT_EQ(check_answer(answer(206, 5, "nonsense"), kWanted, false), "malformed Content-Range");
  EXPECT_EQ(check_answer(answer(206, 5, "bytes */100"), kWanted, false), "malformed Content-Range");
  EXPECT_EQ(check_answer(answer(206, 5, "bytes 0-4/100"), kWanted, false),
            "bytes [0, 5) in place of [10, 15)");
  EXPECT_NE(check_answer(answer(206, 4, "bytes 10-13/14"), kWanted, false), "");
  EXPECT_NE(check_answer(answer(206, 6, "bytes 10-14/100"), kWanted, false), "");
  EXPECT_EQ(check_answer(answer(200, 5), kWanted, false), "the whole blob in place of a range");
  EXPECT_EQ(check_answer(answer(200, 100), kWanted, true), "100 bytes in place of 5");
  EXPECT_EQ(check_answer(answer(206, 5, "bytes 10-14/100", "text/html; charset=x"), kWanted, false),
            "a web page in place of the blob");
  auto coded = answer(206, 5, "bytes 10-14/100");
  coded.headers.add("Content-Encoding", "gzip");
  EXPECT_NE(check_answer(coded, kWanted, false), "");
}

TEST(BlobReceiver, StartsAnewForEachAttemptAndNeverTakesTooMuch) {
  std::string taken;
  BlobReceiver receiver({0, 5}, true, [&taken](std::uint64_t position, util::Bytes bytes) {
    taken.resize(position);
    taken += util::as_text(bytes);
  });
  ASSERT_TRUE(receiver.begin(answer(200, {})));
  EXPECT_TRUE(receiver.data(util::as_bytes("abc")));
  ASSERT_TRUE(receiver.begin(answer(200, {})));
  EXPECT_TRUE(receiver.data(util::as_bytes("12345")));
  EXPECT_FALSE(receiver.data(util::as_bytes("6")));
  EXPECT_EQ(taken, "12345");
  EXPECT_EQ(receiver.complaint(), "more than 5 bytes");
}

}  // namespace
}  // namespace ondemand::source
