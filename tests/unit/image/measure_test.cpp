// SPDX-License-Identifier: Apache-2.0
#include "image/measure.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "image/image_builder.h"
#include "support/temporary_directory.h"

namespace ondemand::image {
namespace {

class Measure : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string script =
        "set -e; cd " + dir_.path().native() +
        "; mkdir a b; seq 1 90000 > a/x; seq 5 70000 > a/y; truncate -s 1M a/hole; cp a/* b/; "
        "seq 7 60000 > b/z; for i in a b; do tar -cf $i.tar --sort=name -C $i .; done";
    ASSERT_EQ(std::system(script.c_str()), 0);
  }

  input::ImageInput open(const char* tar) {
    input::InputOptions in;
    in.image = (dir_.path() / tar).native();
    return input::open_image(in);
  }

  std::vector<ImageMeasure> measure(const MeasureOptions& options) {
    std::vector<input::ImageInput> images;
    images.push_back(open("a.tar"));
    images.push_back(open("b.tar"));
    return measure_images(images, options);
  }

  static MeasureOptions options() {
    MeasureOptions options;
    options.chunk_sizes = {4096, 64 * util::kKiB};
    options.frame_sizes = {64 * util::kKiB, 256 * util::kKiB};
    options.levels = {0, 3};
    options.jobs = 2;
    return options;
  }

  test::TemporaryDirectory dir_;
};

TEST_F(Measure, EveryCombinationIsThereInOrder) {
  const auto images = measure(options());
  ASSERT_EQ(images.size(), 2U);
  ASSERT_EQ(images[0].chunks.size(), 2U);
  EXPECT_EQ(images[0].chunks[1].chunk_size, 64 * util::kKiB);
  const auto& stored = images[0].chunks[1].stored;
  ASSERT_EQ(stored.size(), 4U);
  EXPECT_EQ(stored[1].frame_size, 64 * util::kKiB);
  EXPECT_EQ(stored[1].level, 3);
  EXPECT_EQ(stored[2].frame_size, 256 * util::kKiB);
  EXPECT_EQ(stored[2].level, 0);
  EXPECT_LT(stored[3].stored_bytes, stored[2].stored_bytes);
  EXPECT_EQ(stored[2].index_bytes, 32 + 48 * stored[2].frames);
}

// The measurement's numbers are those of a build.
TEST_F(Measure, TheFirstImageIsWhatABuildMakes) {
  const ChunkMeasure measured = measure(options())[0].chunks[1];
  input::ImageInput input = open("a.tar");
  store::Store store =
      store::Store::create_or_open(dir_.path() / "store", util::Durability::kNoSync);
  BuildOptions build;
  build.ref = "a";
  build.tool = "test";
  const BuildResult result = build_image(input, store, build);
  EXPECT_EQ(measured.stored[3].stored_bytes, result.blobs.at(0).result.stored_size);
  EXPECT_EQ(measured.stored[3].frames, result.blobs.at(0).result.index.size());
  EXPECT_EQ(measured.unique_bytes, result.data.unique_bytes);
  EXPECT_EQ(measured.hole_bytes, result.data.hole_bytes);
  EXPECT_EQ(measured.inodes, result.inodes);
  EXPECT_EQ(measured.bootstrap_bytes, result.bootstrap.size);
}

TEST_F(Measure, ASecondImageCountsOnlyWhatIsNew) {
  const ChunkMeasure second = measure(options())[1].chunks[1];
  EXPECT_EQ(second.unique_bytes, std::filesystem::file_size(dir_.path() / "b/z"));
  EXPECT_EQ(second.input_bytes, second.hole_bytes + second.unique_bytes +
                                    std::filesystem::file_size(dir_.path() / "b/x") +
                                    std::filesystem::file_size(dir_.path() / "b/y"));
}

TEST_F(Measure, TellsTheWarningsOfABuildOnce) {
  const std::string script = "cd " + dir_.path().native() + "; cp a.tar c.tar; cat c.tar >> a.tar";
  ASSERT_EQ(std::system(script.c_str()), 0);
  EXPECT_EQ(measure(options())[0].warnings.size(), 1U);
}

}  // namespace
}  // namespace ondemand::image
