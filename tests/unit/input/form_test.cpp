// SPDX-License-Identifier: Apache-2.0
#include "input/form.h"

#include <gtest/gtest.h>

#include <vector>

namespace ondemand::input {
namespace {

const std::string kHex(64, 'a');

Form form_of(const std::vector<std::string>& names) {
  FormDetector detector;
  for (const std::string& name : names)
    if (!detector.add(name)) break;
  return detector.form();
}

TEST(Form, PathsAreNormalised) {
  EXPECT_EQ(normal_member_path("./a//b/"), "a/b");
  EXPECT_EQ(normal_member_path("/a/./b"), "a/b");
  EXPECT_EQ(normal_member_path("./"), "");
}

TEST(Form, ArchivesAreKnownByTheirNames) {
  const std::string blob = "blobs/sha256/" + kHex;
  EXPECT_EQ(form_of({"./", "./blobs/", "./blobs/sha256/", blob, "index.json", "oci-layout"}),
            Form::kOciArchive);
  EXPECT_EQ(form_of({blob, "index.json", "manifest.json", "oci-layout", "repositories"}),
            Form::kOciArchive);
  EXPECT_EQ(form_of({kHex + "/", kHex + "/VERSION", kHex + "/layer.tar", kHex + ".json",
                     "manifest.json", "repositories"}),
            Form::kDockerArchive);
  EXPECT_EQ(form_of({"blobs/", blob, "manifest.json"}), Form::kDockerArchive);
  EXPECT_EQ(form_of({".lock", ".tmp/", "oci-layout", "index.json"}), Form::kOciArchive);
}

TEST(Form, BuildersHaveNamesOfTheirOwn) {
  for (const std::string& object :
       {"sha256:" + kHex, kHex + ".tar.gz", kHex + ".tar", "blobs/sha256/" + kHex + ".tar.gz"}) {
    EXPECT_EQ(form_of({object, "manifest.json"}), Form::kDockerArchive) << object;
    EXPECT_EQ(form_of({object, "config.json", "manifest.json"}), Form::kDockerArchive) << object;
  }
  for (const std::string& other : {"sha256:" + kHex + "a", kHex + ".tar.gz.x", kHex + "0.tar"})
    EXPECT_EQ(form_of({other, "manifest.json"}), Form::kRootfs) << other;
  EXPECT_EQ(form_of({"config.json", "manifest.json"}), Form::kRootfs);
}

TEST(Form, OtherNamesDecideWhenAllHaveBeenSeen) {
  const std::string blob = "blobs/sha256/" + kHex;
  FormDetector plain;
  EXPECT_TRUE(plain.add("README"));
  EXPECT_EQ(plain.form(), Form::kRootfs);
  FormDetector later;
  EXPECT_TRUE(later.add(blob));
  EXPECT_TRUE(later.add("README"));
  EXPECT_EQ(later.form(), Form::kRootfs);
  EXPECT_FALSE(later.may_be_docker_archive());
  EXPECT_TRUE(later.add("manifest.json"));
  EXPECT_TRUE(later.may_be_docker_archive());
  EXPECT_FALSE(later.add("./etc/passwd"));
  EXPECT_FALSE(later.may_be_docker_archive());
  FormDetector file;
  EXPECT_TRUE(file.add("README"));
  EXPECT_TRUE(file.add("oci-layout"));
  EXPECT_TRUE(file.add("index.json"));
  EXPECT_EQ(file.form(), Form::kOciArchive);
  EXPECT_FALSE(file.add("usr"));
  EXPECT_EQ(file.form(), Form::kRootfs);
}

TEST(Form, AnArchiveThatWasCutShortIsNoRootfs) {
  FormDetector detector;
  EXPECT_TRUE(detector.add("blobs/sha256/" + kHex));
  EXPECT_TRUE(detector.is_incomplete_archive());
  detector.add("oci-layout");
  EXPECT_FALSE(detector.is_incomplete_archive());
  detector.add("usr/");
  EXPECT_FALSE(detector.is_incomplete_archive());
}

TEST(Form, AnArchiveOfDockerBefore110IsTold) {
  const auto is_old = [](const std::vector<std::string>& names) {
    FormDetector detector;
    for (const std::string& name : names)
      detector.add(name);
    return detector.is_old_docker_archive();
  };
  const std::string layer = kHex + "/layer.tar";
  EXPECT_TRUE(is_old({kHex + "/", kHex + "/VERSION", kHex + "/json", layer, "repositories"}));
  EXPECT_FALSE(is_old({kHex + "/", layer}));
  EXPECT_FALSE(is_old({layer, "manifest.json", "repositories"}));
  EXPECT_FALSE(is_old({"blobs/sha256/" + kHex, "repositories"}));
  EXPECT_FALSE(is_old({layer, "repositories", "usr"}));
  EXPECT_FALSE(is_old({"repositories"}));
}

TEST(Form, ARootfsMayContainNamesOfAnArchive) {
  EXPECT_EQ(form_of({"./", "bin/", "etc/"}), Form::kRootfs);
  EXPECT_EQ(form_of({"blobs/", "blobs/sha256/", "oci-layout", "index.json", "usr/"}),
            Form::kRootfs);
  EXPECT_EQ(form_of({"blobs/", "blobs/readme"}), Form::kRootfs);
  EXPECT_EQ(form_of({"manifest.json"}), Form::kRootfs);
  EXPECT_EQ(form_of({"index.json"}), Form::kRootfs);
  EXPECT_EQ(form_of({".dockerenv", "bin"}), Form::kRootfs);
  EXPECT_EQ(form_of({}), Form::kRootfs);
}

}  // namespace
}  // namespace ondemand::input
