// SPDX-License-Identifier: Apache-2.0
#include "image/image_builder.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "input/image_input.h"
#include "support/temporary_directory.h"
#include "util/error.h"
#include "util/fd.h"

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
        "; seq 1 50000 > a; cp a b; seq 7 90000 > d; truncate -s 1M hole; ln a c; ln -s a link; "
        "echo one > etc/f; tar -cf ../image.tar --sort=name .; "
        "seq 5 60000 > d; tar -rf ../image.tar ./d";
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

TEST_F(ImageBuilder, AFileIsReadTwiceWithoutACopy) {
  BuildOptions nowhere = options(2, true);
  nowhere.temporary = dir_.path() / "missing";
  EXPECT_EQ(build("one", nowhere).manifest, build("two", options(2, true)).manifest);
}

TEST_F(ImageBuilder, JobsNeverChangeAByte) {
  const BuildResult one = build("one", options(1));
  const BuildResult four = build("four", options(4));
  EXPECT_EQ(one.manifest, four.manifest);
  EXPECT_EQ(one.files, 5U);
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
  EXPECT_EQ(layer.files, image.files);
  EXPECT_LT(image.blobs.at(0).result.nblocks, layer.blobs.at(0).result.nblocks);
  EXPECT_NE(image.manifest, layer.manifest);
}

TEST_F(ImageBuilder, VerifyChangesNoByte) {
  for (const bool one_blob : {false, true}) {
    BuildOptions verified = options(2, one_blob);
    verified.verify = true;
    const std::string name = one_blob ? "image" : "layer";
    EXPECT_EQ(build(name, verified).manifest, build(name + "2", options(2, one_blob)).manifest);
  }
}

TEST_F(ImageBuilder, ProgressReachesItsTotalInEveryNumberOfPasses) {
  build("store", options(2));
  for (const bool one_blob : {false, true}) {
    for (const bool has_dictionary : {false, true}) {
      ReadProgress progress;
      BuildOptions told = options(2, one_blob);
      told.progress = &progress;
      if (has_dictionary) told.dictionary = {"image"};
      build("store", told);
      EXPECT_EQ(progress.stored_bytes, progress.total) << one_blob << has_dictionary;
      EXPECT_EQ(progress.total, fs::file_size(tar_) * (1U + one_blob + has_dictionary));
      EXPECT_EQ(progress.files, 6U);  // one of them replaces another
    }
  }
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
  const std::string bytes = util::read_text_file(tar_, 64 * util::kMiB);
  const std::size_t header = bytes.find("./hole");
  ASSERT_NE(header, std::string::npos);
  fs::resize_file(tar_, header + 512 + (1 << 20));
  EXPECT_THROW(build("store", options(2)), util::Error);
}

TEST_F(ImageBuilder, AFileThatChangesBetweenTwoReadingsIsRefused) {
  input::InputOptions in;
  in.image = tar_;
  input::ImageInput input = input::open_image(in);
  input.layers.at(0).open_stored = [this, open = input.layers.at(0).open_stored,
                                    count = std::make_shared<int>(0)] {
    if (++*count == 2) {
      // The same length: only its times tell.
      const util::Fd fd = util::open_file(tar_, O_RDWR);
      util::pwrite_full(fd.get(), util::as_bytes("x"), 3 * 512 + 100, "tar");
    }
    return open();
  };
  store::Store store =
      store::Store::create_or_open(dir_.path() / "store", util::Durability::kNoSync);
  EXPECT_THROW(build_image(input, store, options(2, true)), util::Error);
  EXPECT_TRUE(store.list().empty());
}

TEST_F(ImageBuilder, ManyJobsMakeTheSameImageAndNoMoreThreadsThanAreOfUse) {
  EXPECT_EQ(build("many", options(200)).manifest, build("one", options(1)).manifest);
}

// Padded to blocks, "hello" and "hello" with a NUL behind it make the same blob.
TEST_F(ImageBuilder, LayersThatMakeTheSameBlobShareOneDevice) {
  const std::string layout = (dir_.path() / "layout").native();
  const std::string script =
      "set -e; cd " + dir_.path().native() +
      "; mkdir l1 l2; printf hello > l1/a; printf 'hello\\0' > l2/b; " +
      "tar -cf l1.tar -C l1 .; tar -cf l2.tar -C l2 .; umoci init --layout " + layout +
      "; umoci new --image " + layout + ":x; for n in 1 2; do umoci raw add-layer --image " +
      layout + ":x l$n.tar; done >/dev/null 2>&1";
  if (std::system("command -v umoci >/dev/null") != 0) GTEST_SKIP() << "umoci is not installed";
  ASSERT_EQ(std::system(script.c_str()), 0);
  tar_ = layout;
  const BuildResult result = build("store", options(2));
  EXPECT_EQ(result.files, 2U);
  EXPECT_EQ(result.blobs.size(), 1U);
}

}  // namespace
}  // namespace ondemand::image
