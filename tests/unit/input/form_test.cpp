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

TEST(Form, AnArchiveThatWasCutShortIsNoRootfs) {
  FormDetector detector;
  EXPECT_TRUE(detector.add("blobs/sha256/" + kHex));
  EXPECT_TRUE(detector.is_incomplete_archive());
  detector.add("oci-layout");
  EXPECT_FALSE(detector.is_incomplete_archive());
  detector.add("usr/");
  EXPECT_FALSE(detector.is_incomplete_archive());
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
