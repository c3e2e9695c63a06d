// SPDX-License-Identifier: Apache-2.0
#include "image/image_builder.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "hash/sha256.h"
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

  // An image of root file systems, each of one file that the shell command writes.
  input::ImageInput layers(const std::vector<std::string>& commands) {
    input::ImageInput out;
    for (std::size_t i = 0; i < commands.size(); ++i) {
      const std::string name = "layer" + std::to_string(i);
      const std::string script = "set -e; cd " + dir_.path().native() + "; mkdir -p " + name +
                                 "; " + commands[i] + " > " + name + "/" + name + "; tar -cf " +
                                 name + ".tar -C " + name + " .";
      EXPECT_EQ(std::system(script.c_str()), 0);
      input::InputOptions in;
      in.image = (dir_.path() / (name + ".tar")).native();
      input::ImageInput one = input::open_image(in);
      if (i == 0)
        out = std::move(one);
      else
        out.layers.push_back(std::move(one.layers.at(0)));
    }
    return out;
  }

  // Every file below, with its content.
  static std::vector<std::string> files_of(const fs::path& directory) {
    std::vector<std::string> out;
    for (const auto& file : fs::recursive_directory_iterator(directory))
      out.push_back(file.path().native() +
                    (file.is_regular_file() ? ": " + util::read_text_file(file.path(), util::kMiB)
                                            : std::string()));
    std::sort(out.begin(), out.end());
    return out;
  }

  test::TemporaryDirectory dir_;
  std::string tar_;
};

TEST_F(ImageBuilder, LayersWithoutBytesAreEmpty) {
  const BuildResult want = build("want", options(1));
  const auto build_with = [&](const std::string& bytes, bool is_image) {
    input::InputOptions in;
    in.image = tar_;
    input::ImageInput input = input::open_image(in);
    input::Layer layer;
    layer.name = "empty";
    layer.expectation.diff_id = hash::sha256(util::as_bytes(bytes));
    layer.expectation.needs_tar_end = is_image;
    layer.open_stored = [bytes]() -> std::unique_ptr<util::ByteSource> {
      class Owned : public util::ByteSource {
       public:
        explicit Owned(std::string text) : text_(std::move(text)), source_(util::as_bytes(text_)) {}
        std::size_t read(util::MutableBytes out) override { return source_.read(out); }

       private:
        std::string text_;
        util::MemorySource source_;
      };
      return std::make_unique<Owned>(bytes);
    };
    input.layers.push_back(std::move(layer));
    store::Store store =
        store::Store::create_or_open(dir_.path() / "empty", util::Durability::kNoSync);
    return build_image(input, store, options(1, true));
  };
  for (const std::size_t size : {0U, 512U, 1024U, 10240U}) {
    const BuildResult result = build_with(std::string(size, '\0'), false);
    EXPECT_EQ(result.layers, 2U) << size;
    EXPECT_EQ(result.files, want.files) << size;
  }
  for (const std::string& bytes : {std::string(511, '\0'), std::string(513, '\0'),
                                   std::string(512, 'x'), std::string(511, '\0') + "x"})
    EXPECT_THROW(build_with(bytes, false), util::Error) << bytes.size();
  for (const std::size_t size : {0U, 512U})
    EXPECT_THROW(build_with(std::string(size, '\0'), true), util::Error) << size;
}

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

// What the disk loses while nobody looks: a byte of a blob that is complete but has no name yet.
TEST_F(ImageBuilder, AStagedBlobThatIsDamagedBeforeVerifyLeavesTheStoreAsItWas) {
  for (const bool verify : {true, false}) {
    SCOPED_TRACE(verify);
    const fs::path store_path = dir_.path() / (verify ? "verified" : "unverified");
    {
      store::Store store = store::Store::create_or_open(store_path, util::Durability::kNoSync);
      input::ImageInput other = layers({"seq 3 4000"});
      build_image(other, store, options(1));
    }
    const std::vector<std::string> before = files_of(store_path);
    input::ImageInput input = layers({"seq 100 60000", "seq 200 200", "seq 300 300"});
    bool is_damaged = false;
    // The first layer's blob is complete when the third layer is opened.
    input.layers.at(2).open_stored = [&, open = input.layers.at(2).open_stored] {
      for (const auto& file : fs::recursive_directory_iterator(store_path / ".tmp")) {
        if (!file.is_regular_file() || file.file_size() < 10000) continue;
        const util::Fd fd = util::open_file(file.path(), O_RDWR);
        std::uint8_t byte = 0;
        util::pread_full(fd.get(), util::MutableBytes(&byte, 1), 5000, "staged blob");
        byte ^= 1;
        util::pwrite_full(fd.get(), util::Bytes(&byte, 1), 5000, "staged blob");
        is_damaged = true;
      }
      return open();
    };
    BuildOptions build = options(1);
    build.verify = verify;
    std::string error;
    {
      store::Store store = store::Store::create_or_open(store_path, util::Durability::kNoSync);
      try {
        build_image(input, store, build);
      } catch (const util::Error& thrown) {
        error = thrown.what();
      }
    }
    ASSERT_TRUE(is_damaged);
    // Without --verify nothing notices: the test damages what the image needs.
    EXPECT_EQ(error.find("verify") != std::string::npos, verify) << error;
    EXPECT_EQ(files_of(store_path) == before, verify);
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
