// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "hash/sha256.h"
#include "util/error.h"

namespace ondemand::test {

// Runs `call`, which must throw util::Error of that code with `part` in its message.
template <class Call>
void expect_error(util::ErrorCode code, std::string_view part, Call call) {
  try {
    call();
    ADD_FAILURE() << "no error; expected one with '" << part << "'";
  } catch (const util::Error& error) {
    EXPECT_EQ(util::to_string(error.code()), util::to_string(code)) << error.what();
    EXPECT_NE(error.message().find(part), std::string::npos) << error.what();
  }
}

inline hash::Digest digest_of(std::string_view text) {
  return hash::sha256(util::as_bytes(text));
}

}  // namespace ondemand::test
