// SPDX-License-Identifier: Apache-2.0
//
// The simulated kernel makes of each kind of prepared cache what the real ones make of it: the
// same preparations, the same tables (tests/vm/guest/matrix, where vm/<kernel>/matrix runs them).
#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "behaviour/cachefiles/behaviour_test.h"
#include "vm/helper/erofs_mount.h"
#include "vm/helper/preparations.h"

namespace ondemand::behaviour {
namespace {

std::set<std::string> expected_lines(const std::string& protocol) {
  std::ifstream file(std::string(ONDEMAND_MATRIX_DIRECTORY) + "/" + protocol);
  std::set<std::string> lines;
  for (std::string line; std::getline(file, line);)
    if (!line.starts_with('#')) lines.insert(line);
  return lines;
}

class Matrix : public Behaviour {
 protected:
  std::string try_preparation(const vmtest::Preparation& preparation) {
    root_ = system_->directory() / preparation.name / "root";
    std::filesystem::create_directories(root_.parent_path());
    const vmtest::CacheTree tree(
        is_demand() ? vmtest::Protocol::kDemand : vmtest::Protocol::kOndemand, root_,
        vmtest::kMatrixVolume, vmtest::kMatrixKey);
    preparation.prepare(tree);
    const auto before = vmtest::inode_of(tree.file());
    EXPECT_EQ(begin_service(), 0);
    TestImage image;
    const auto bytes = vmtest::tiny_image();
    image.bootstrap.assign(bytes.begin(), bytes.end());
    daemon_->add(vmtest::kMatrixVolume, vmtest::kMatrixKey, image.bootstrap);
    const int error = mount(image, {vmtest::kMatrixKey, ""});
    std::string line = std::string(preparation.name) + ": " + vmtest::errno_name(error);
    std::string data = "-";
    if (error == 0) {
      ImageFile whole;  // of the bootstrap: all of it is compared
      whole.size = image.bootstrap.size();
      data = read(whole) == Outcome::kGood ? "right" : "WRONG";
    }
    mount_.reset();
    const bool opened = daemon_->opens() > 0;
    const bool asked = !daemon_->requests().empty();
    line += opened && asked ? " OPEN+READ " : opened ? " OPEN " : asked ? " READ " : " silent ";
    end_service();
    system_->settle();
    return line + data + " " + vmtest::traces_of(tree, before);
  }
};
INSTANTIATE_TEST_SUITE_P(, Matrix, testing::ValuesIn(parameters()), name_of);

TEST_P(Matrix, B30_PreparedCachesMeetTheSameFateAsOnRealKernels) {
  if (setting().is_kernel) GTEST_SKIP() << "the test vm/.../matrix is this one on a kernel";
  const auto wanted = expected_lines(is_demand() ? "demand" : "ondemand");
  ASSERT_FALSE(wanted.empty());
  EXPECT_EQ(wanted.size(), vmtest::preparations().size());
  for (const vmtest::Preparation& preparation : vmtest::preparations()) {
    const std::string line = try_preparation(preparation);
    EXPECT_TRUE(wanted.contains(line)) << line;
  }
}

}  // namespace
}  // namespace ondemand::behaviour
