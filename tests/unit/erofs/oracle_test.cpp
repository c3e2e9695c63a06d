// SPDX-License-Identifier: Apache-2.0
//
// Other implementations read our images: fsck.erofs, dump.erofs and the kernel.  What this
// machine does not have is skipped, with the reason.
#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "erofs/inode_codec.h"
#include "support/temporary_directory.h"
#include "unit/erofs/sample_tree.h"
#include "unit/erofs/test_tree.h"

namespace ondemand::erofs {
namespace {

namespace fs = std::filesystem;
using tree::FileType;

// Block b of device d is full of bytes that no other block has.
char blob_byte(std::uint16_t device, std::uint64_t offset) {
  return static_cast<char>(1 + (offset / 4096 * 7 + device * 101u + offset % 4096 % 5) % 250);
}

std::string expected_data(const tree::Inode& inode, std::uint64_t offset, std::size_t len) {
  if (!inode.inline_data.empty()) return inode.inline_data.substr(offset, len);
  std::string data(len, '\0');
  for (const chunk::Extent& extent : inode.extents) {
    const std::uint64_t begin = extent.file_block * 4096;
    const std::uint64_t end = begin + extent.nblocks * std::uint64_t{4096};
    for (std::uint64_t at = std::max(begin, offset); at < std::min(end, offset + len); ++at)
      data[at - offset] =
          blob_byte(extent.device.value, std::uint64_t{extent.start.value} * 4096 + at - begin);
  }
  return data;
}

std::string read_all(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  if (in.peek() != std::ifstream::traits_type::eof()) out << in.rdbuf();
  return out.str();
}

// A directory with an image and its blobs, gone afterwards.
class Oracle : public testing::Test {
 protected:
  void SetUp() override { fs::create_directory(dir_ / "mnt"); }
  void TearDown() override {
    if (is_mounted_) ::umount2((dir_ / "mnt").c_str(), MNT_DETACH);
  }

  void write_image(const tree::Tree& tree, const BootstrapOptions& options) {
    const util::Fd fd = util::open_file(dir_ / "image", O_RDWR | O_CREAT | O_TRUNC);
    write_bootstrap(tree, options, fd.get(), "image");
    for (std::size_t i = 0; i < options.devices.size(); ++i) {
      std::string blob(options.devices[i].nblocks * std::size_t{4096}, '\0');
      for (std::size_t at = 0; at < blob.size(); ++at)
        blob[at] = blob_byte(static_cast<std::uint16_t>(i + 1), at);
      const std::string path = util::concat(dir_.string(), "/blob", i + 1);
      std::ofstream(path, std::ios::binary) << blob;
      blobs_.push_back(path);
    }
  }

  // Exit status; output and errors in the files out and err.
  int run(const std::string& command) {
    const std::string line =
        command + " >" + (dir_ / "out").string() + " 2>" + (dir_ / "err").string();
    return std::system(line.c_str());
  }
  std::string tool(const char* name) {
    std::string line = name;
    for (const std::string& blob : blobs_)
      line += " --device=" + blob;
    return line;
  }
  static bool has_tool(const char* name) {
    return std::system((std::string("command -v ") + name + " >/dev/null").c_str()) == 0;
  }

  // False, and the test is to be skipped, where this cannot be.
  bool mount(std::string& reason) {
    if (::geteuid() != 0) {
      reason = "not root";
      return false;
    }
    if (read_all("/proc/filesystems").find("erofs") == std::string::npos) {
      reason = "the kernel has no erofs";
      return false;
    }
    std::string options;
    for (const std::string& blob : blobs_)
      options += (options.empty() ? "device=" : ",device=") + blob;
    if (::mount((dir_ / "image").c_str(), (dir_ / "mnt").c_str(), "erofs", MS_RDONLY,
                options.c_str()) == 0) {
      is_mounted_ = true;
      return true;
    }
    const int error = errno;
    // Kernels before 6.12 cannot mount a file, some sandboxes nothing at all.
    if (error == ENOTBLK || error == EPERM || error == ENODEV) {
      reason = std::string("no file-backed mount: ") + std::strerror(error);
      return false;
    }
    ADD_FAILURE() << "mount: " << std::strerror(error);
    reason = "mount failed";
    return false;
  }

  void compare_mounted(const tree::Tree& tree);
  void compare_inode(const tree::Tree& tree, tree::InodeId id, const std::string& path);
  void compare_xattrs(const tree::Inode& inode, const std::string& path);

  const test::TemporaryDirectory directory_;
  const fs::path& dir_ = directory_.path();
  std::vector<std::string> blobs_;
  bool is_mounted_ = false;
  std::map<tree::InodeId, ino_t> inos_;
};

void Oracle::compare_mounted(const tree::Tree& tree) {
  compare_inode(tree, tree::kRootInode, (dir_ / "mnt").string());
  std::set<ino_t> distinct;
  for (const auto& entry : inos_)
    distinct.insert(entry.second);
  EXPECT_EQ(distinct.size(), inos_.size());
}

void Oracle::compare_xattrs(const tree::Inode& inode, const std::string& path) {
  std::string list(1 << 20, '\0');
  const ssize_t len = ::llistxattr(path.c_str(), list.data(), list.size());
  ASSERT_GE(len, 0) << path;
  std::set<std::string> names;
  for (const char* at = list.data(); at < list.data() + len; at += std::strlen(at) + 1)
    names.insert(at);
  const tree::XattrSet none;
  const tree::XattrSet& expected = inode.xattrs ? *inode.xattrs : none;
  EXPECT_EQ(names.size(), expected.size()) << path;
  for (const tar::Xattr& xattr : expected) {
    EXPECT_EQ(names.count(xattr.name), 1u) << path << xattr.name;
    std::string value(65536, '\0');
    const ssize_t got = ::lgetxattr(path.c_str(), xattr.name.c_str(), value.data(), value.size());
    ASSERT_GE(got, 0) << path << ' ' << xattr.name;
    EXPECT_EQ(value.substr(0, static_cast<std::size_t>(got)), xattr.value) << path << xattr.name;
  }
}

void Oracle::compare_inode(const tree::Tree& tree, tree::InodeId id, const std::string& path) {
  const tree::Inode& inode = tree.inodes[id];
  struct stat st {};
  ASSERT_EQ(::lstat(path.c_str(), &st), 0) << path << ": " << std::strerror(errno);
  EXPECT_EQ(st.st_mode, encode_mode(inode.type, inode.permissions)) << path;
  // (uid_t)-1 is in the image but is no user to the kernel, which shows its overflow id.
  EXPECT_EQ(st.st_uid, inode.uid == 0xFFFFFFFF ? 65534 : inode.uid) << path;
  EXPECT_EQ(st.st_gid, inode.gid) << path;
  EXPECT_EQ(st.st_nlink, inode.nlink) << path;
  EXPECT_EQ(st.st_mtim.tv_sec, inode.mtime.sec) << path;
  EXPECT_EQ(st.st_mtim.tv_nsec, inode.mtime.nsec) << path;
  const auto known = inos_.emplace(id, st.st_ino);
  EXPECT_EQ(known.first->second, st.st_ino) << path;
  if (!known.second) return;
  compare_xattrs(inode, path);
  if (inode.type == FileType::kCharDevice || inode.type == FileType::kBlockDevice) {
    EXPECT_EQ(st.st_rdev, ::makedev(inode.rdev_major, inode.rdev_minor)) << path;
  }
  if (inode.type == FileType::kSymlink) {
    EXPECT_EQ(fs::read_symlink(path).string(), inode.inline_data);
  }
  if (inode.type == FileType::kRegular) {
    EXPECT_EQ(static_cast<std::uint64_t>(st.st_size), inode.size) << path;
    const util::Fd fd = util::open_file(path, O_RDONLY);
    constexpr std::uint64_t kPart = 1 << 20;
    std::set<std::uint64_t> starts{0};
    if (inode.size > kPart) starts.insert(inode.size - kPart);
    for (const std::uint64_t start : starts) {
      std::string data(std::min<std::uint64_t>(kPart, inode.size - start), 'x');
      EXPECT_EQ(::pread(fd.get(), data.data(), data.size(), static_cast<off_t>(start)),
                static_cast<ssize_t>(data.size()))
          << path;
      EXPECT_TRUE(data == expected_data(inode, start, data.size())) << path;
    }
  }
  if (inode.type != FileType::kDirectory) return;
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(path))
    names.insert(entry.path().filename().string());
  EXPECT_EQ(names.size(), inode.children->size()) << path;
  for (const auto& child : *inode.children) {
    EXPECT_EQ(names.count(child.first), 1u) << path << '/' << child.first;
    compare_inode(tree, child.second, path + "/" + child.first);
  }
}

TEST_F(Oracle, FsckExtractsTheSampleWithoutAWord) {
  if (!has_tool("fsck.erofs")) GTEST_SKIP() << "no fsck.erofs";
  if (::geteuid() != 0) GTEST_SKIP() << "not root: cannot extract device nodes";
  SampleTree sample;
  const tree::Tree& tree = sample.tree.finish();
  write_image(tree, sample.options);
  const std::string out = (dir_ / "extracted").string();
  EXPECT_EQ(run(tool("fsck.erofs") + " --extract=" + out + " " + (dir_ / "image").string()), 0);
  EXPECT_EQ(read_all(dir_ / "err"), "");
  for (const char* path :
       {"etc/passwd", "holes", "pieces", "hole-at-end", "small", "inline-blocks", "one"}) {
    const tree::Inode& inode = sample.tree.at(path);
    const std::string data = read_all(out + "/" + path);
    if (std::string_view(path).starts_with("hole")) {
      // fsck.erofs 1.5 drops holes and puts the data behind one another; the kernel's test has
      // the whole file.
      std::string without_holes;
      for (const chunk::Extent& e : inode.extents)
        without_holes += expected_data(inode, e.file_block * 4096, e.nblocks * std::size_t{4096});
      if (data == without_holes) continue;
    }
    EXPECT_TRUE(data == expected_data(inode, 0, inode.size)) << path;
  }
  EXPECT_EQ(fs::read_symlink(out + "/long-link").string(), std::string(4095, 'l'));
  std::size_t names = 0;
  for (const auto& entry : fs::directory_iterator(out + "/names"))
    if (entry.symlink_status().type() != fs::file_type::not_found) ++names;
  EXPECT_EQ(names, sample.tree.at("names").children->size());
}

TEST_F(Oracle, DumpTellsTheSuperblockAndExtents) {
  if (!has_tool("dump.erofs")) GTEST_SKIP() << "no dump.erofs";
  SampleTree sample;
  write_image(sample.tree.finish(), sample.options);
  EXPECT_EQ(run(tool("dump.erofs") + " -s " + (dir_ / "image").string()), 0);
  EXPECT_EQ(read_all(dir_ / "err"), "");
  EXPECT_THAT(read_all(dir_ / "out"), testing::HasSubstr("0xE0F5E1E2"));
  EXPECT_EQ(run(tool("dump.erofs") + " -e --path=/pieces " + (dir_ / "image").string()), 0);
  EXPECT_EQ(read_all(dir_ / "err"), "");
}

TEST_F(Oracle, KernelShowsTheSampleAsTheTreeHasIt) {
  SampleTree sample;
  tree::Tree& tree = sample.tree.raw();
  sample.tree.file("huge-hole", std::uint64_t{100} << 30);
  sample.tree.file("huge-with-data", std::uint64_t{100} << 30, {extent(0, 1 << 3, 0, 1)});
  sample.tree.at("huge-with-data").size = std::uint64_t{8} << 20;
  sample.tree.finish();
  write_image(tree, sample.options);
  std::string reason;
  if (!mount(reason)) GTEST_SKIP() << reason;
  compare_mounted(tree);
}

TEST_F(Oracle, KernelAndFsckReadLargeDirectoriesAndManyLinks) {
  TestTree tree;
  tree.directory("d");
  for (int i = 0; i < 20'000; ++i)
    tree.file(util::concat("d/file-", i)).mtime.sec = i % 7;
  tree.file("f");
  tree.directory("links");
  for (int i = 0; i < 66'000; ++i)
    tree.hard_link(util::concat("links/", i), "f");
  tree.directory("sizes");
  for (int count = 13; count < 18; ++count) {
    const std::string dir = util::concat("sizes/", count);
    tree.directory(dir);
    for (int i = 0; i < count; ++i)
      tree.file(util::concat(dir, "/", std::string(252, 'n'), 100 + i));
  }
  tree.finish();
  write_image(tree.raw(), {});
  if (has_tool("fsck.erofs")) {
    EXPECT_EQ(run(tool("fsck.erofs") + " " + (dir_ / "image").string()), 0);
    EXPECT_EQ(read_all(dir_ / "err"), "");
  }
  std::string reason;
  if (!mount(reason)) GTEST_SKIP() << reason;
  compare_mounted(tree.raw());
}

TEST_F(Oracle, KernelReadsInlineTailsAndXattrsAroundBlockBoundaries) {
  TestTree tree;
  for (std::size_t len = 3800; len < 4096; len += 7) {
    tree.symlink(util::concat("s", len), std::string(len, 's'));
    tree.inline_file(util::concat("f", len), std::string(len, 'f')).mtime = {1, 2};
    TestTree::set_xattrs(
        tree.inline_file(util::concat("x", len), std::string(len / 2, 'x')),
        {{"user.length", std::string(len / 3, 'v')}, {"trusted.same", std::string(99, 'w')}});
  }
  tree::XattrSet many;
  for (int i = 0; i < 300; ++i)
    many.push_back({util::concat("user.n", i), std::string(20, 'v')});
  for (const char* name : {"a", "b", "c"})
    TestTree::set_xattrs(tree.file(name), many);
  TestTree::set_xattrs(tree.file("big"),
                       {{"user.big", std::string(65535, 'x')}, {"user.empty", ""}});
  tree.finish();
  write_image(tree.raw(), {});
  if (has_tool("fsck.erofs")) {
    EXPECT_EQ(run(tool("fsck.erofs") + " --extract " + (dir_ / "image").string()), 0);
    EXPECT_EQ(read_all(dir_ / "err"), "");
  }
  std::string reason;
  if (!mount(reason)) GTEST_SKIP() << reason;
  compare_mounted(tree.raw());
}

TEST_F(Oracle, OurReaderReadsWhatMkfsErofsMakes) {
  if (!has_tool("mkfs.erofs")) GTEST_SKIP() << "no mkfs.erofs";
  const fs::path source = dir_ / "source";
  fs::create_directories(source / "a/b");
  for (int i = 0; i < 300; ++i)
    std::ofstream(source / "a" / util::concat("file", i))
        << std::string(static_cast<std::size_t>(i * 50), 'f');
  fs::create_symlink("../b", source / "a/link");
  ::lsetxattr((source / "a").c_str(), "user.test", "value", 5, 0);
  for (const char* options : {"", "--chunksize=4096", "-Eforce-inode-compact", "-x0"}) {
    const std::string image = (dir_ / "foreign").string();
    ASSERT_EQ(run(std::string("mkfs.erofs ") + options + " " + image + " " + source.string()), 0);
    const std::string bytes = read_all(image);
    const BootstrapReader reader(util::as_bytes(bytes), "foreign");
    EXPECT_TRUE(reader.is_checksum_right());
    const InodeInfo file = reader.inode(reader.lookup("/a/file299").value());
    std::string data;
    reader.for_each_extent(
        file, [&](const FileExtent& extent) { data += util::as_text(reader.bytes_of(extent)); });
    EXPECT_TRUE(data == std::string(299 * 50, 'f')) << options;
    EXPECT_EQ(reader.symlink_target(reader.inode(reader.lookup("a/link").value())), "../b");
    const tree::XattrSet xattrs = reader.xattrs(reader.inode(reader.lookup("a").value()));
    if (!xattrs.empty()) {
      EXPECT_EQ(xattrs[0].value, "value");
    }
  }
}

}  // namespace
}  // namespace ondemand::erofs
