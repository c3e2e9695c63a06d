// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/poll_signal.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "support/simulate/kernel_text.h"

#include <cerrno>

namespace ondemand::simulate {
namespace {

short state(const PollSignal& signal) {
  pollfd look{signal.fd(), POLLIN | POLLOUT, 0};
  ::poll(&look, 1, 0);
  return look.revents;
}

TEST(PollSignal, SaysEachStateByItself) {
  PollSignal signal;
  EXPECT_EQ(state(signal), 0);
  signal.set_readable(true);
  EXPECT_EQ(state(signal), POLLIN);
  signal.set_writable(true);
  EXPECT_EQ(state(signal), POLLIN | POLLOUT);
  signal.set_readable(false);
  EXPECT_EQ(state(signal), POLLOUT);
  signal.set_writable(false);
  EXPECT_EQ(state(signal), 0);
  signal.set_readable(true);
  signal.set_error();
  EXPECT_NE(state(signal) & POLLERR, 0);
}

TEST(PollSignal, ErrorIsSeenWhateverWasSaidBefore) {
  PollSignal signal;
  signal.set_writable(true);
  signal.set_error();
  EXPECT_NE(state(signal) & POLLERR, 0);
  signal.set_readable(false);  // nothing more to say
  EXPECT_NE(state(signal) & POLLERR, 0);
}

TEST(KernelText, NumbersAreReadAsTheKernelReadsThem) {
  EXPECT_EQ(parse_unsigned("17").value, 17u);
  EXPECT_EQ(parse_unsigned("0x1F").value, 31u);
  EXPECT_EQ(parse_unsigned("010").value, 8u);
  EXPECT_EQ(parse_unsigned("+3\n").value, 3u);
  EXPECT_EQ(parse_unsigned("0").value, 0u);
  EXPECT_EQ(parse_unsigned("18446744073709551615").value, UINT64_MAX);
  EXPECT_EQ(parse_unsigned("18446744073709551616").error, ERANGE);
  for (const char* bad : {"", "x", "1x", "-1", "0x", "08", " 1", "1 ", "++1"})
    EXPECT_EQ(parse_unsigned(bad).error, EINVAL) << bad;
  EXPECT_EQ(parse_signed("-2").value, -2);
  EXPECT_EQ(parse_signed("-+2").error, EINVAL);
  EXPECT_EQ(parse_signed("9223372036854775808").error, ERANGE);
  EXPECT_EQ(parse_percent("7%"), 7);
  EXPECT_EQ(parse_percent("7"), -1);
  EXPECT_EQ(parse_percent("7%%"), -1);
}

}  // namespace
}  // namespace ondemand::simulate
