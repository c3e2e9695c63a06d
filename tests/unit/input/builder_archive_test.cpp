// SPDX-License-Identifier: Apache-2.0
//
// Docker archives named as the builders that cannot be run here name them, and tars that only
// resemble one.
#include <gtest/gtest.h>

#include <cstdlib>

#include "support/tar_literal.h"
#include "unit/input/image_maker.h"

namespace ondemand::input {
namespace {

using test::content_of;
using test::digest_of;
using test::expect_error;
using test::options_for;
using testing_support::tar_end;
using util::concat;
using util::ErrorCode;

std::string member(const std::string& path, std::string_view data) {
  testing_support::TarHeader header;
  header.path = path;
  return testing_support::tar_member(header, data);
}

// The names that a builder gives to configuration and layer; "*" stands for the digest.
struct Naming {
  std::string config;
  std::string layer;
};
const std::vector<Naming> kBuilders = {
    {"sha256:*", "*.tar.gz"},     // crane, ko, kaniko, apko
    {"config.json", "*.tar.gz"},  // jib
    {"*.json", "*.tar"},          // podman, skopeo
    {"blobs/sha256/*", "blobs/sha256/*.tar.gz"},
    {"blobs/sha256/*", "blobs/sha256/*"},  // docker
};

class BuilderArchiveTest : public ::testing::Test {
 protected:
  static std::string named(std::string pattern, std::string_view bytes) {
    const std::size_t star = pattern.find('*');
    if (star != std::string::npos) pattern.replace(star, 1, digest_of(bytes).hex());
    return pattern;
  }
  std::string config() const {
    return oci::make_default_config({"mips", "linux", "", "", {}}, std::vector{digest_of(layer_)});
  }
  std::string image_json(const Naming& naming, const std::string& tag) const {
    return concat(R"({"Config":")", named(naming.config, config()), R"(","RepoTags":[")", tag,
                  R"("],"Layers":[")", named(naming.layer, layer_), R"("]})");
  }
  std::string objects(const Naming& naming) const {
    return member(named(naming.config, config()), config()) +
           member(named(naming.layer, layer_), layer_);
  }
  std::string manifest(const Naming& naming) const {
    return member("manifest.json", concat("[", image_json(naming, "app:v1"), "]"));
  }
  // The form, the same from the file and from a stream.
  Form form_of(const std::string& tar) {
    const auto path = directory_.path() / "x.tar";
    test::write_text(path, tar);
    EXPECT_TRUE(test::run(concat("gzip -kf ", path.native())));
    const Form stream = open_image(options_for(path.native() + ".gz")).form;
    const ImageInput image = open_image(options_for(path));
    EXPECT_EQ(image.form, stream);
    EXPECT_EQ(content_of(image), image.form == Form::kRootfs ? tar : layer_);
    return image.form;
  }
  test::TemporaryDirectory directory_;
  const std::string layer_ = member("etc/one", "1") + tar_end();
};

TEST_F(BuilderArchiveTest, IsAnImageWhateverItsObjectsAreCalled) {
  for (const Naming& naming : kBuilders) {
    SCOPED_TRACE(naming.config + " " + naming.layer);
    EXPECT_EQ(form_of(objects(naming) + manifest(naming) + tar_end()), Form::kDockerArchive);
    EXPECT_EQ(form_of(objects(naming) + member("README", "x") + manifest(naming) + tar_end()),
              Form::kDockerArchive);
  }
}

TEST_F(BuilderArchiveTest, IsKnownByItsManifestAlone) {
  const Naming naming{"image/config", "image/layer"};
  EXPECT_EQ(form_of(member("README", "x") + objects(naming) + manifest(naming) + tar_end()),
            Form::kDockerArchive);
}

TEST_F(BuilderArchiveTest, WithAMissingMemberIsRefusedByItsName) {
  const auto path = directory_.path() / "x.tar";
  const Naming naming{"image/config", "image/layer"};
  test::write_text(path, member("image/config", config()) + manifest(naming) + tar_end());
  expect_error(ErrorCode::kNotFound, "layer image/layer: read: is missing",
               [&] { open_image(options_for(path)); });
  test::write_text(path, member("image/layer", layer_) + manifest(naming) + tar_end());
  expect_error(ErrorCode::kNotFound, "config image/config: read: is missing",
               [&] { open_image(options_for(path)); });
  // Another image of the archive is no reason against this one.
  test::write_text(
      path, objects(naming) +
                member("manifest.json", concat("[", image_json(naming, "app:v1"), ",",
                                               image_json({"gone", "gone-too"}, "gone:v1"), "]")) +
                tar_end());
  InputOptions options = options_for(path);
  options.ref = "app:v1";
  EXPECT_EQ(content_of(open_image(options)), layer_);
}

TEST_F(BuilderArchiveTest, ThatSaysAnotherDigestInItsNameIsRefused) {
  const Naming naming{concat("sha256:", std::string(64, 'a')), "*.tar.gz"};
  test::write_text(directory_.path() / "x.tar", objects(naming) + manifest(naming) + tar_end());
  expect_error(ErrorCode::kDigestMismatch, "holds other bytes",
               [&] { open_image(options_for(directory_.path() / "x.tar")); });
}

TEST_F(BuilderArchiveTest, OfDockerBefore110IsRefusedAsSuch) {
  const std::string layer = std::string(64, 'a') + "/layer.tar";
  test::write_text(directory_.path() / "x.tar",
                   member(layer, layer_) + member("repositories", "{}") + tar_end());
  expect_error(ErrorCode::kUnsupported, "Docker before 1.10 are not supported",
               [&] { open_image(options_for(directory_.path() / "x.tar")); });
}

TEST_F(BuilderArchiveTest, IsNoneWhenTheManifestIsOfAnotherKind) {
  const std::string blob = member(concat("blobs/sha256/", std::string(64, 'a')), "x");
  for (const std::string text : {"{}", "[]", "no JSON", R"([{"Config":"c","Layers":["l"]}])"}) {
    const std::string manifest_member = member("manifest.json", text);
    EXPECT_EQ(form_of(manifest_member + member("app.js", "x") + tar_end()), Form::kRootfs);
    EXPECT_EQ(form_of(blob + manifest_member + member("app.js", "x") + tar_end()), Form::kRootfs);
  }
  const Naming& naming = kBuilders.front();
  EXPECT_EQ(form_of(objects(naming) + manifest(naming) + member("usr/bin/x", "x") + tar_end()),
            Form::kRootfs);
}

TEST_F(BuilderArchiveTest, WithTwoImagesOfOneNameNeedsAChoice) {
  const Naming& a = kBuilders[0];
  const Naming& b = kBuilders[2];
  const auto path = directory_.path() / "x.tar";
  const auto write = [&](const std::string& tag) {
    test::write_text(path, objects(a) + objects(b) +
                               member("manifest.json", concat("[", image_json(a, "same:1"), ",",
                                                              image_json(b, tag), "]")) +
                               tar_end());
  };
  InputOptions options = options_for(path);
  options.ref = "same:1";
  write("docker.io/library/same:1");
  expect_error(ErrorCode::kUsage,
               "several images have the name 'same:1': sha256:", [&] { open_image(options); });
  // The message's digests select, also where nothing has a name.
  const auto digest_of = [](const ImageInput& image) { return image.source_digest->to_string(); };
  options.ref = hash::sha256(util::as_bytes(config())).to_string();
  EXPECT_EQ(digest_of(open_image(options)), options.ref);
  write("");
  options.ref.clear();
  expect_error(ErrorCode::kUsage,
               "name one of them: " + hash::sha256(util::as_bytes(config())).to_string(),
               [&] { open_image(options); });
  options.ref = "same:1";
  write("other:1");
  EXPECT_EQ(open_image(options).default_ref, "same:1");
}

TEST(TemporaryFiles, GoWhereTheEnvironmentSays) {
  const char* old = std::getenv("TMPDIR");
  const std::string before = old == nullptr ? "" : old;
  ::setenv("TMPDIR", "/some/where", 1);
  EXPECT_EQ(InputOptions().temporary, "/some/where");
  for (const char* text : {"", "relative"}) {
    ::setenv("TMPDIR", text, 1);
    EXPECT_EQ(default_temporary_directory(), "/var/tmp");
  }
  ::unsetenv("TMPDIR");
  EXPECT_EQ(default_temporary_directory(), "/var/tmp");
  if (old != nullptr) ::setenv("TMPDIR", before.c_str(), 1);
}

}  // namespace
}  // namespace ondemand::input
