// SPDX-License-Identifier: Apache-2.0
//
// One tree with everything in it that EROFS can hold, for our reader and for the real ones.
#pragma once

#include <string>

#include "unit/erofs/test_tree.h"

namespace ondemand::erofs {

struct SampleTree {
  static constexpr std::uint32_t kBlobBlocks = 64;  // of each of the two devices

  SampleTree() {
    options.devices = {blob_device(kBlobBlocks, 'a'), blob_device(kBlobBlocks, 'b')};
    options.boot_text = "boot text\n";
    add_files();
    add_specials();
    add_names();
    add_xattrs();
  }

  TestTree tree;
  BootstrapOptions options;

 private:
  void add_files() {
    tree.directory("etc").permissions = 01777;
    tree::Inode& passwd = tree.file("etc/passwd", 5000, {extent(0, 2, 3, 1)});
    passwd.permissions = 04755;
    passwd.uid = 0xFFFFFFFF;
    passwd.gid = 0xFFFFFFFE;
    passwd.mtime = {-86400LL * 365 * 30, 999'999'999};  // 1940
    tree.file("empty");
    tree.file("one", 1, {extent(0, 1, 9, 2)}).mtime = {4'500'000'000, 123'456'789};  // 2112
    // Begins with a hole, changes the device, ends with a hole.
    tree.file("holes", 16 * 4096 + 5, {extent(4, 4, 20, 1), extent(8, 4, 40, 2)});
    tree.file("pieces", 9 * 4096 - 7,
              {extent(0, 3, 50, 1), extent(3, 2, 11, 2), extent(5, 4, 30, 1)});
    tree.file("hole-at-end", 3 * 4096, {extent(0, 1, 60, 2)});
    tree.inline_file("small", "kept in the bootstrap\n");
    tree.inline_file("inline-blocks", std::string(9000, 'i'));
    tree.hard_link("etc/again", "etc/passwd");
    tree.hard_link("third", "etc/passwd");
  }
  void add_specials() {
    tree.symlink("etc/link", "../one");
    tree.symlink("long-link", std::string(4095, 'l'));
    tree.directory("dev");
    tree.special("dev/null", tree::FileType::kCharDevice, 1, 3);
    tree.special("dev/big", tree::FileType::kBlockDevice, 0xFFF, 0xFFFFF);
    tree.special("dev/fifo", tree::FileType::kFifo);
    tree.special("dev/socket", tree::FileType::kSocket);
  }
  void add_names() {
    tree.directory("names");
    for (int c = 1; c < 256; ++c)
      if (c != '/' && c != '.') tree.file(std::string("names/") + static_cast<char>(c));
    for (const char* name : {"names/...", "names/.-", "names/..a", "names/.a", "names/!x"})
      tree.file(name);
    tree.file("names/" + std::string(255, 'x'));
    tree.directory("deep");
    std::string path = "deep";
    for (int i = 0; i < 50; ++i)
      tree.directory(path += "/d");
    tree.directory("many");
    for (int i = 0; i < 700; ++i)
      tree.file(util::concat("many/entry-with-a-name-", i));
  }
  void add_xattrs() {
    const std::string capability(
        "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
    // Version 2; user::rwx, user:1000:r--, group::r-x, mask::r-x, other::---.
    const std::string acl(
        "\x02\x00\x00\x00"
        "\x01\x00\x07\x00\xff\xff\xff\xff"
        "\x02\x00\x04\x00\xe8\x03\x00\x00"
        "\x04\x00\x05\x00\xff\xff\xff\xff"
        "\x10\x00\x05\x00\xff\xff\xff\xff"
        "\x20\x00\x00\x00\xff\xff\xff\xff",
        44);
    TestTree::set_xattrs(tree.at("etc/passwd"),
                         {{"user.a", "1"}, {"trusted.b", std::string("\0\1", 2)}});
    TestTree::set_xattrs(tree.at("one"), {{"security.capability", capability}});
    TestTree::set_xattrs(tree.at("etc"),
                         {{"system.posix_acl_access", acl}, {"system.posix_acl_default", acl}});
    TestTree::set_xattrs(tree.at("etc/link"), {{"trusted.link", "x"}});
    TestTree::set_xattrs(tree.at("empty"),
                         {{"user.large", std::string(20000, 'L')}, {"user.empty", ""}});
    for (int i = 0; i < 50; ++i)
      TestTree::set_xattrs(
          tree.at(util::concat("many/entry-with-a-name-", i)),
          {{"user.common", "the same value for all of them"}, {"user.own", util::concat(i)}});
  }
};

}  // namespace ondemand::erofs
