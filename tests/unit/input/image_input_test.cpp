// SPDX-License-Identifier: Apache-2.0
//
// Every form of input, made by the real tools, must give the same layers.
#include "input/image_input.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "support/tar_literal.h"
#include "unit/input/image_maker.h"

namespace ondemand::input {
namespace {

namespace fs = std::filesystem;
using test::content_of;
using test::expect_error;
using test::options_for;
using test::run;
using util::concat;
using util::ErrorCode;

class ImageInputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!test::has_tools()) GTEST_SKIP() << "needs umoci, skopeo and tar";
    test::make_layout(path());
    want_ = test::read_text(path() / "base.tar") + test::read_text(path() / "top.tar");
  }
  fs::path path() const { return directory_.path(); }
  fs::path at(const std::string& name) const { return path() / name; }
  bool shell(const std::string& command) const {
    return run(concat("cd ", path().native(), " && ", command));
  }
  // Through a pipe, as from `cat FILE | tool -`.
  std::string content_from_pipe(const fs::path& file) const {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    std::thread writer([&file, end = ends[1]] {
      const util::Fd fd(end);
      util::write_full(fd.get(), util::as_bytes(test::read_text(file)), "pipe");
    });
    const util::Fd in(ends[0]);
    InputOptions options = options_for("-");
    options.stdin_fd = in.get();
    std::string out;
    try {
      out = content_of(open_image(options));
    } catch (...) {
      writer.join();  // the pipe holds all that the tests with errors write
      throw;
    }
    writer.join();
    return out;
  }
  void expect_in_all_wrappings(const std::string& file, const std::string& want) const {
    ASSERT_TRUE(shell(concat("gzip -k ", file, "; zstd -q ", file, "; xz -k ", file)));
    for (const char* suffix : {"", ".gz", ".zst", ".xz"}) {
      SCOPED_TRACE(file + suffix);
      EXPECT_TRUE(content_of(open_image(options_for(at(file + suffix)))) == want);
      EXPECT_TRUE(content_from_pipe(at(file + suffix)) == want);
    }
  }
  test::TemporaryDirectory directory_;
  std::string want_;
};

TEST_F(ImageInputTest, LayoutDirectory) {
  const ImageInput image = open_image(options_for(at("layout")));
  EXPECT_TRUE(content_of(image) == want_);
  EXPECT_EQ(image.default_ref, "v1");
  EXPECT_EQ(image.layers.size(), 2U);
  EXPECT_EQ(image.platform.os, "linux");
  EXPECT_NE(image.config_json.find("\"User\":\"7\""), std::string::npos);
  EXPECT_TRUE(image.source_digest);
  EXPECT_GT(image.stored_bytes, 0U);
}

TEST_F(ImageInputTest, OciArchive) {
  ASSERT_TRUE(shell("skopeo copy oci:layout:v1 oci-archive:oci.tar:app:v2"));
  const ImageInput image = open_image(options_for(at("oci.tar")));
  EXPECT_EQ(image.form, Form::kOciArchive);
  EXPECT_EQ(image.default_ref, "app:v2");
  expect_in_all_wrappings("oci.tar", want_);
}

TEST_F(ImageInputTest, OciArchiveMadeByTarOfALayoutWithZstdLayers) {
  ASSERT_TRUE(
      shell("skopeo copy --dest-compress-format zstd --dest-compress oci:layout:v1 "
            "oci:zlayout:v1 && touch zlayout/.lock && tar -C zlayout -cf z.tar ."));
  EXPECT_TRUE(content_of(open_image(options_for(at("z.tar")))) == want_);
  EXPECT_TRUE(content_of(open_image(options_for(at("zlayout")))) == want_);
}

TEST_F(ImageInputTest, DockerArchive) {
  ASSERT_TRUE(shell("skopeo copy oci:layout:v1 docker-archive:docker.tar:app/name:v2"));
  const ImageInput image = open_image(options_for(at("docker.tar")));
  EXPECT_EQ(image.form, Form::kDockerArchive);
  EXPECT_EQ(image.default_ref, "docker.io/app/name:v2");
  EXPECT_NE(image.config_json.find("\"User\":\"7\""), std::string::npos);
  InputOptions named = options_for(at("docker.tar"));
  named.ref = "app/name:v2";
  EXPECT_TRUE(content_of(open_image(named)) == want_);
  named.ref = "other";
  expect_error(ErrorCode::kNotFound, "(docker.io/app/name:v2)", [&] { open_image(named); });
  named.ref_is_optional = true;
  EXPECT_TRUE(content_of(open_image(named)) == want_) << "the name of the result";
  named.ref = image.source_digest->to_string();
  EXPECT_TRUE(content_of(open_image(named)) == want_);
  named.ref = hash::sha256({}).to_string();
  expect_error(ErrorCode::kNotFound, "there are: " + image.source_digest->to_string(),
               [&] { open_image(named); });
  expect_in_all_wrappings("docker.tar", want_);
}

TEST_F(ImageInputTest, RootFileSystemTar) {
  const std::string base = test::read_text(at("base.tar"));
  const ImageInput image = open_image(options_for(at("base.tar")));
  EXPECT_EQ(image.form, Form::kRootfs);
  EXPECT_TRUE(image.config_json.empty());
  EXPECT_FALSE(image.source_digest);
  EXPECT_FALSE(image.layers[0].open()->finish().diff_id) << "nothing to compare it with";
  expect_in_all_wrappings("base.tar", base);
}

TEST_F(ImageInputTest, ARootFileSystemThatContainsAnArchivesNamesStaysOne) {
  ASSERT_TRUE(
      shell("mkdir root && cp -r layout/* root && mkdir root/usr && echo x > root/usr/x &&"
            "tar -C root --sort=name -cf root.tar ."));
  EXPECT_EQ(open_image(options_for(at("root.tar"))).form, Form::kRootfs);
  expect_in_all_wrappings("root.tar", test::read_text(at("root.tar")));
}

TEST_F(ImageInputTest, AnArchiveMayHoldOtherFilesAtItsTop) {
  ASSERT_TRUE(
      shell("cp -r layout more && echo x > more/README && mkdir more/docs &&"
            "tar -C more -cf more.tar blobs oci-layout docs README index.json &&"
            "tar -C more -cf first.tar README blobs oci-layout index.json"));
  EXPECT_EQ(open_image(options_for(at("more.tar"))).form, Form::kOciArchive);
  expect_in_all_wrappings("more.tar", want_);
  EXPECT_EQ(open_image(options_for(at("first.tar"))).form, Form::kOciArchive);
  expect_in_all_wrappings("first.tar", want_);
}

TEST_F(ImageInputTest, AStreamIsWhatItIsAsAFile) {
  ASSERT_TRUE(
      shell("mkdir app && echo x > app/run && cp layout/oci-layout layout/index.json app/ &&"
            "cp -r layout all && echo x > all/README && mkdir all/etc && echo y > all/etc/y &&"
            "tar -C app -cf app.tar run oci-layout && tar -C app -cf index.tar run index.json &&"
            "tar -C all -cf all.tar README oci-layout index.json blobs etc"));
  for (const char* file : {"app.tar", "index.tar", "all.tar"}) {
    EXPECT_EQ(open_image(options_for(at(file))).form, Form::kRootfs) << file;
    expect_in_all_wrappings(file, test::read_text(at(file)));
  }
}

TEST_F(ImageInputTest, APipedRootFileSystemIsReadOnce) {
  ASSERT_TRUE(shell("gzip -k base.tar"));
  const ImageInput image = open_image(options_for(at("base.tar.gz")));
  image.layers[0].open()->finish();
  expect_error(ErrorCode::kUnsupported, "read already", [&] { image.layers[0].open(); });
}

TEST_F(ImageInputTest, AnotherFormatIsNamedInAPipeAsInAFile) {
  const std::pair<const char*, const char*> formats[] = {
      {"PK\x03\x04 and more", "is a zip archive"},
      {"BZh91AY&SY", "is compressed with bzip2"},
      {"{\"schemaVersion\": 2}", "is a JSON document"}};
  for (const auto& [bytes, message] : formats) {
    for (const std::size_t len : {std::size_t{0}, std::size_t{2000}}) {
      const std::string text = bytes + std::string(len, ' ');
      test::write_text(at("other"), text);
      expect_error(ErrorCode::kUnsupported, message,
                   [this] { open_image(options_for(at("other"))); });
      expect_error(ErrorCode::kUnsupported, message, [this] { content_from_pipe(at("other")); });
    }
  }
  test::write_text(at("other"), std::string(2000, 't'));
  expect_error(ErrorCode::kCorrupt, "not a tar archive",
               [this] { content_from_pipe(at("other")); });
}

TEST_F(ImageInputTest, ATarMayBeginWithANameThatLooksLikeAnotherFormat) {
  for (const char* name : {"[", "{arch}", "BZh9"}) {
    testing_support::TarHeader header;
    header.path = name;
    const std::string tar = testing_support::tar_member(header, "1") + testing_support::tar_end();
    test::write_text(at("odd.tar"), tar);
    EXPECT_EQ(content_of(open_image(options_for(at("odd.tar")))), tar) << name;
    EXPECT_EQ(content_from_pipe(at("odd.tar")), tar) << name;
  }
}

TEST_F(ImageInputTest, OtherFilesAreNamed) {
  test::write_text(at("empty"), "");
  test::write_text(at("zip"), "PK\x03\x04 and more");
  test::write_text(at("text"), std::string(2000, 't'));
  test::write_text(at("short"), "abc");
  test::write_text(at("gz"), "\x1f\x8b");
  fs::create_directory(at("folder"));
  expect_error(ErrorCode::kCorrupt, "is empty", [&] { open_image(options_for(at("empty"))); });
  expect_error(ErrorCode::kUnsupported, "zip", [&] { open_image(options_for(at("zip"))); });
  for (const char* file : {"text", "short"})
    expect_error(ErrorCode::kCorrupt, "not a tar archive",
                 [&] { open_image(options_for(at(file))); });
  expect_error(ErrorCode::kCorrupt, "gz", [&] { open_image(options_for(at("gz"))); });
  expect_error(ErrorCode::kNotFound, "open", [&] { open_image(options_for(at("absent"))); });
  expect_error(ErrorCode::kUnsupported, "not an OCI image layout",
               [&] { open_image(options_for(at("folder"))); });
  InputOptions named = options_for(at("base.tar"));
  named.ref = "x";
  expect_error(ErrorCode::kNotFound, "no image named", [&] { open_image(named); });
  named.ref_is_optional = true;
  EXPECT_EQ(open_image(named).form, Form::kRootfs);
  named.ref = hash::sha256({}).to_string();
  expect_error(ErrorCode::kNotFound, "no image with the digest", [&] { open_image(named); });
}

TEST_F(ImageInputTest, NamesSelectInALayout) {
  ASSERT_TRUE(
      shell("skopeo copy oci:layout:v1 oci:layout:copy && umoci config --image layout:v1 "
            "--tag v3 --config.user 9"));
  InputOptions options = options_for(at("layout"));
  options.ref = "v3";
  EXPECT_NE(open_image(options).config_json.find("\"User\":\"9\""), std::string::npos);
  options.ref = open_image(options).source_digest->to_string();
  EXPECT_NE(open_image(options).config_json.find("\"User\":\"9\""), std::string::npos);
  options.ref = "nope";
  expect_error(ErrorCode::kNotFound, "there are: copy, v1, v3", [&] { open_image(options); });
  options.ref = "";
  expect_error(ErrorCode::kUsage, "name one of them", [&] { open_image(options); });
}

}  // namespace
}  // namespace ondemand::input
