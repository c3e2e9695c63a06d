// SPDX-License-Identifier: Apache-2.0
//
// Small archives, damaged everywhere: an error, or what the undamaged one gives; never a crash,
// never other content.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/input/image_maker.h"

namespace ondemand::input {
namespace {

using test::content_of;
using test::options_for;
using test::run;

class DamageTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!test::has_tools()) GTEST_SKIP() << "needs umoci, skopeo and tar";
    const std::string folder = directory_.path().native();
    ASSERT_TRUE(run(util::concat(
        "set -e; cd ", folder,
        "; mkdir a; echo one > a/one; tar -C a --mtime=@1 -b1 -cf base.tar .;",
        "umoci init --layout layout; umoci new --image layout:v1;",
        "umoci raw add-layer --image layout:v1 base.tar; skopeo copy oci:layout:v1 ", GetParam())));
    whole_ = test::read_text(directory_.path() / "x.tar");
    want_ = fingerprint(directory_.path() / "x.tar");
  }
  // Layers and configuration.
  static std::string fingerprint(const std::filesystem::path& path) {
    const ImageInput image = open_image(options_for(path));
    return content_of(image) + image.config_json;
  }
  // True when the damaged archive gave an error.
  bool fails(std::string_view damaged) {
    const auto path = directory_.path() / "damaged";
    test::write_text(path, damaged);
    try {
      const std::string got = fingerprint(path);
      EXPECT_TRUE(got == want_);
      return false;
    } catch (const util::Error& error) {
      EXPECT_NE(error.code(), util::ErrorCode::kInternal) << error.what();
      return true;
    }
  }
  test::TemporaryDirectory directory_;
  std::string whole_;
  std::string want_;
};

TEST_P(DamageTest, FlippedBytesGiveAnErrorOrTheSameContent) {
  std::size_t errors = 0;
  for (std::size_t i = 0; i < whole_.size(); i += 13) {
    std::string damaged = whole_;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    SCOPED_TRACE(i);
    errors += fails(damaged) ? 1U : 0U;
  }
  EXPECT_GT(errors, 10U);
}

TEST_P(DamageTest, TruncationGivesAnErrorUnlessWhatIsNeededIsThere) {
  std::size_t last = whole_.size();
  while (whole_[last - 1] == '\0')
    --last;
  std::size_t same = 0;
  for (std::size_t i = 0; i < last;
       i += i % 512 == 0 ? 41 : std::min<std::size_t>(41, 512 - i % 512)) {
    SCOPED_TRACE(i);
    if (fails(std::string_view(whole_).substr(0, i))) continue;
    // Between two members behind the last one that is needed (Docker's "repositories").
    EXPECT_EQ(i % 512, 0U);
    ++same;
  }
  EXPECT_LE(same, 1U);
}

INSTANTIATE_TEST_SUITE_P(Forms, DamageTest,
                         ::testing::Values("oci-archive:x.tar:v1", "docker-archive:x.tar:v1"));

}  // namespace
}  // namespace ondemand::input
