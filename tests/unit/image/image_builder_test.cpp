// SPDX-License-Identifier: Apache-2.0
#include "image/image_builder.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "input/image_input.h"
#include "support/temporary_directory.h"
#include "util/error.h"

namespace ondemand::image {
namespace {

namespace fs = std::filesystem;

// A small root filesystem tar made by tar(1); duplicates and a file that a later entry replaces.
class ImageBuilder : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string root = (dir_.path() / "root").native();
    const std::string script =
        "set -e; mkdir -p " + root + "/etc; cd " + root +
        "; seq 1 50000 > a; cp a b; truncate -s 1M hole; ln a c; ln -s a link; "
        "echo one > etc/f; tar -cf ../image.tar --sort=name .; "
        "seq 5 60000 > a; tar -rf ../image.tar ./a";
    ASSERT_EQ(std::system(script.c_str()), 0);
    tar_ = (dir_.path() / "image.tar").native();
  }

  BuildResult build(const std::string& store_name, const BuildOptions& options) {
    input::InputOptions in;
    in.image = tar_;
    input::ImageInput input = input::open_image(in);
    store::Store store =
        store::Store::create_or_open(dir_.path() / store_name, util::Durability::kNoSync);
    return build_image(input, store, options);
  }

  static BuildOptions options(std::size_t jobs, bool one_blob = false) {
    BuildOptions build;
    build.ref = "image";
    build.jobs = jobs;
    build.one_blob = one_blob;
    build.tool = "test";
    return build;
  }

  test::TemporaryDirectory dir_;
  std::string tar_;
};

TEST_F(ImageBuilder, JobsNeverChangeAByte) {
  const BuildResult one = build("one", options(1));
  const BuildResult four = build("four", options(4));
  EXPECT_EQ(one.manifest, four.manifest);
  EXPECT_EQ(one.files, 4U);
  EXPECT_EQ(one.directories, 2U);
}

TEST_F(ImageBuilder, ASecondBuildAddsNothing) {
  const BuildResult first = build("store", options(2));
  const BuildResult second = build("store", options(2));
  EXPECT_EQ(first.manifest, second.manifest);
  EXPECT_GT(first.added_bytes, 0U);
  EXPECT_EQ(second.added_bytes, 0U);
  EXPECT_TRUE(second.blobs.at(0).was_there);
}

TEST_F(ImageBuilder, OneBlobHoldsOnlyWhatTheFinalTreeNeeds) {
  const BuildResult layer = build("layer", options(2));
  const BuildResult image = build("image", options(2, true));
  // "b" and "c" keep the old content of "a"; the new "a" comes on top of it in both.
  EXPECT_EQ(layer.files, image.files);
  EXPECT_LE(image.blobs.at(0).result.nblocks, layer.blobs.at(0).result.nblocks);
  EXPECT_NE(image.manifest, layer.manifest);
}

TEST_F(ImageBuilder, ATruncatedTarLeavesNoImage) {
  fs::resize_file(tar_, fs::file_size(tar_) / 2);
  EXPECT_THROW(build("store", options(2)), util::Error);
  const store::Store store = store::Store::open(dir_.path() / "store");
  EXPECT_TRUE(store.list().empty());
  EXPECT_TRUE(fs::is_empty(dir_.path() / "store/blobs/sha256"));
}

TEST_F(ImageBuilder, ATarCutBetweenTwoEntriesIsNotTakenForAWholeOne) {
  // 1 MiB of zeros in "hole" end on a block boundary; the entries behind it are cut away.
  std::ifstream file(tar_, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t header = bytes.find("./hole");
  ASSERT_NE(header, std::string::npos);
  fs::resize_file(tar_, header + 512 + (1 << 20));
  EXPECT_THROW(build("store", options(2)), util::Error);
}

}  // namespace
}  // namespace ondemand::image
