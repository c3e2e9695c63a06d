// SPDX-License-Identifier: Apache-2.0
//
// A directory for one test, gone with it.  Under /var/tmp: a real file system with extended
// attributes and pre-content events, which /tmp need not be.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace ondemand::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = "/var/tmp/erofs-ondemand-test-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace ondemand::test
