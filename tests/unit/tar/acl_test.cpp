// SPDX-License-Identifier: Apache-2.0
#include "tar/acl.h"

#include <gtest/gtest.h>

#include "util/error.h"

namespace ondemand::tar {
namespace {

// As the kernel gives it for: setfacl -m u:1000:rw (with user::rw- group::r-- other::r--).
const std::string kValue(
    "\x02\0\0\0"
    "\x01\0\x06\0\xFF\xFF\xFF\xFF"
    "\x02\0\x06\0\xE8\x03\0\0"
    "\x04\0\x04\0\xFF\xFF\xFF\xFF"
    "\x10\0\x06\0\xFF\xFF\xFF\xFF"
    "\x20\0\x04\0\xFF\xFF\xFF\xFF",
    44);

TEST(Acl, OfEveryWriterBecomesTheKernelsValue) {
  for (const char* text : {"user::rw-,user:1000:rw-,group::r--,mask::rw-,other::r--",
                           "user::rw-\nuser:1000:rw-\ngroup::r--\nmask::rw-\nother::r--\n",
                           "user::rw-,group::r--,other::r--,user:joe:rw-:1000,mask::rw-",
                           "u::rw,u:1000:rw,g::r,m:rw,o:r",
                           "user::rw-, user:1000:rw-  #effective:rw-\n"
                           "group::r--,mask:rw-,other:r--"})
    EXPECT_EQ(acl_xattr_from_text(text, false), kValue) << text;
}

TEST(Acl, ThatSaysNoMoreThanTheModeIsNone) {
  EXPECT_EQ(acl_xattr_from_text("user::rwx,group::r-x,other::r-x", false), "");
  EXPECT_EQ(acl_xattr_from_text("", true), "");
  EXPECT_EQ(acl_xattr_from_text("user::rwx,group::r-x,other::r-x", true).size(), 28u);
}

TEST(Acl, BecomesTextWithNumbersThatMeansTheSame) {
  const std::string text = "user::rw-,user:1000:rw-,group::r--,mask::rw-,other::r--";
  EXPECT_EQ(acl_text_from_xattr(kValue), text);
  const std::string minimal = acl_xattr_from_text("user::rwx,group::r-x,other::--x", true);
  EXPECT_EQ(acl_text_from_xattr(minimal), "user::rwx,group::r-x,other::--x");
}

TEST(Acl, ThatReadersWouldNotTakeHasNoText) {
  const auto changed = [](std::size_t at, char byte) {
    std::string value = kValue;
    value[at] = byte;
    return value;
  };
  for (const std::string& value :
       {std::string(), kValue.substr(0, 4), kValue.substr(0, 43), kValue.substr(0, 3),
        changed(0, 1), changed(4, 3), changed(6, 8), changed(8, 0), kValue + kValue.substr(36),
        kValue.substr(0, 16) + "\xFF\xFF\xFF\xFF" + kValue.substr(20)})
    EXPECT_EQ(acl_text_from_xattr(value), std::nullopt);
}

TEST(Acl, WithANameAloneIsUnsupported) {
  try {
    acl_xattr_from_text("user::rwx,user:joe:rwx,group::r-x,mask::rwx,other::r-x", false);
    FAIL();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("joe"), std::string::npos);
    EXPECT_NE(error.message().find("names a user without a number; pack with --numeric-owner"),
              std::string::npos);
  }
}

TEST(Acl, ThatIsNoneIsRefused) {
  for (const char* text : {"x", "user:rwx", "user::rwxx", "user::q", "owner::rwx", "mask:1:rwx",
                           "user::rwx,user::r--", "user:1:r,user:1:w", "user:5000000000:r", "::r"})
    EXPECT_THROW(acl_xattr_from_text(text, false), util::Error) << text;
}

}  // namespace
}  // namespace ondemand::tar
