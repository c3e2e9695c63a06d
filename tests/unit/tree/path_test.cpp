// SPDX-License-Identifier: Apache-2.0
#include "tree/path.h"

#include <gtest/gtest.h>

#include "tree/whiteout.h"
#include "util/error.h"

namespace ondemand::tree {
namespace {

util::ErrorCode refusal(std::string_view path) {
  try {
    normalize_path(path);
  } catch (const util::Error& error) {
    return error.code();
  }
  return util::ErrorCode::kInternal;
}

TEST(Path, HasOneForm) {
  for (const char* path : {"a/b", "./a/b", "a//b/", ".//./a/./b/.", "a/b///"})
    EXPECT_EQ(normalize_path(path), "a/b") << path;
  for (const char* root : {".", "./", "/", "//", "./.", "/."})
    EXPECT_EQ(normalize_path(root), "");
  EXPECT_EQ(normalize_path("..a/...b"), "..a/...b");
}

TEST(Path, ThatLeavesTheImageIsRefused) {
  for (const char* path : {"", "..", "a/..", "../a", "a/../../b", "/../x", "/a/.."})
    EXPECT_EQ(refusal(path), util::ErrorCode::kCorrupt) << path;
  EXPECT_EQ(refusal(std::string_view("a\0b", 3)), util::ErrorCode::kCorrupt);
}

TEST(Path, ThatIsAbsoluteIsTakenFromTheRootOfTheImage) {
  for (const char* path : {"/etc/x", "//etc/x/", "/./etc//x"})
    EXPECT_EQ(normalize_path(path), "etc/x") << path;
}

TEST(Path, HasNamesOfUpTo255Bytes) {
  EXPECT_EQ(normalize_path("d/" + std::string(255, 'x')).size(), 257u);
  EXPECT_EQ(refusal("d/" + std::string(256, 'x')), util::ErrorCode::kUnsupported);
}

TEST(WhiteoutName, IsClassified) {
  EXPECT_EQ(classify_name("a").kind, NameKind::kPlain);
  EXPECT_EQ(classify_name(".wh").kind, NameKind::kPlain);
  EXPECT_EQ(classify_name("x.wh.a").kind, NameKind::kPlain);
  EXPECT_EQ(classify_name(".wh.a").kind, NameKind::kWhiteout);
  EXPECT_EQ(classify_name(".wh.a").target, "a");
  EXPECT_EQ(classify_name(".wh..a").target, ".a");
  EXPECT_EQ(classify_name(".wh.....").target, "....");
  EXPECT_EQ(classify_name(".wh..wh..opq").kind, NameKind::kOpaque);
  EXPECT_EQ(classify_name(".wh..wh.plnk").kind, NameKind::kIgnored);
  EXPECT_EQ(classify_name(".wh..wh.aufs").kind, NameKind::kIgnored);
  for (const char* path : {".wh.a", "./.wh.a", "/b/.wh.", "b/.wh..wh..opq", ".wh.dir//"})
    EXPECT_TRUE(is_oci_marker(path)) << path;
  for (const char* path : {"", "/", "wh.a", "b.wh.a", ".wh.dir/file"})
    EXPECT_FALSE(is_oci_marker(path)) << path;
  for (const char* name : {".wh.", ".wh..", ".wh..."})
    EXPECT_THROW(classify_name(name), util::Error) << name;
}

}  // namespace
}  // namespace ondemand::tree
