// SPDX-License-Identifier: Apache-2.0
//
// Images that lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>

#include "erofs/bootstrap_check.h"
#include "erofs/describe.h"
#include "erofs/inode_codec.h"
#include "unit/erofs/sample_tree.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace ondemand::erofs {
namespace {

using testing::Contains;
using testing::HasSubstr;

// A small image whose parts a test can overwrite.
class LyingImage : public testing::Test {
 protected:
  LyingImage() {
    TestTree tree;
    tree.directory("d");
    tree.directory("d/e");
    tree.file("f", 9000, {extent(0, 2, 1, 1), extent(2, 1, 7, 1)});
    tree.hard_link("g", "f");
    tree.symlink("s", "target");
    TestTree::set_xattrs(tree.file("x"), {{"user.a", "value"}});
    BootstrapOptions options;
    options.devices.push_back(blob_device(8));
    image_ = make_image(tree.finish(), options).bytes;
  }

  template <class T>
  void put(std::size_t at, T value) {
    const util::Le<T> le(value);
    std::memcpy(image_.data() + at, &le, sizeof le);
  }
  BootstrapReader reader() const { return BootstrapReader(image_, "image"); }
  std::string open_error() const {
    return error_of([this] { reader(); });
  }
  InodeInfo inode(const char* path) const { return reader().inode(reader().lookup(path).value()); }
  void reseal() { put<std::uint32_t>(1028, superblock_checksum(util::Bytes(image_).first(4096))); }
  std::vector<std::string> problems() {
    reseal();
    return check_bootstrap(reader()).problems;
  }

  util::Buffer image_;
};

TEST_F(LyingImage, IsCleanBeforeItLies) {
  EXPECT_TRUE(problems().empty());
}

TEST_F(LyingImage, SuperblockIsChecked) {
  put<std::uint32_t>(1024 + 80, 0x80);
  EXPECT_THAT(open_error(), HasSubstr("unsupported: image: read superblock: feature 48BIT"));
  put<std::uint32_t>(1024 + 80, 0x100);
  EXPECT_THAT(open_error(), HasSubstr("METABOX"));
  put<std::uint32_t>(1024 + 80, 0x8000);
  EXPECT_THAT(open_error(), HasSubstr("0x8000"));
  put<std::uint32_t>(1024 + 80, 0xC);
  put<std::uint16_t>(1024 + 86, 0xFFFF);
  EXPECT_THAT(open_error(), HasSubstr("corrupt: image: read device table"));
  put<std::uint16_t>(1024 + 86, 1);
  put<std::uint8_t>(1024 + 12, 16);
  EXPECT_THAT(open_error(), HasSubstr("unsupported"));
  put<std::uint8_t>(1024 + 12, 200);
  EXPECT_THAT(open_error(), HasSubstr("corrupt"));
  image_[1024] = 0;
  EXPECT_THAT(open_error(), HasSubstr("not an erofs image"));
}

TEST_F(LyingImage, ChecksumIsReported) {
  put<std::uint64_t>(1024 + 16, 12345);
  EXPECT_THAT(check_bootstrap(reader()).problems,
              Contains(HasSubstr("superblock: checksum does not match")));
}

TEST_F(LyingImage, InodesOutsideOfTheImageAreRefused) {
  for (const std::uint64_t nid :
       {std::uint64_t{1} << 63, std::uint64_t{1} << 59, std::uint64_t{5000}})
    EXPECT_THAT(error_of([&] { reader().inode({nid}); }), HasSubstr("corrupt"));
}

TEST_F(LyingImage, CompressedDataIsRefusedByName) {
  put<std::uint16_t>(inode("f").offset, 1 | 3 << 1);
  EXPECT_THAT(error_of([&] { reader().extents(inode("f")); }),
              HasSubstr("unsupported: image: read inode"));
}

TEST_F(LyingImage, ChunkEntriesOutsideOfTheImageAreRefused) {
  const InodeInfo f = inode("f");
  ASSERT_TRUE(f.is_compact);
  put<std::uint32_t>(f.offset + 8, 0xFFFFFFFF);  // i_size
  EXPECT_THAT(error_of([&] { reader().extents(inode("f")); }), HasSubstr("corrupt"));
  EXPECT_FALSE(problems().empty());
}

TEST_F(LyingImage, DataOutsideOfItsDeviceIsFound) {
  const InodeInfo f = inode("f");
  put<std::uint32_t>(f.end() + 4 + 8, 8);  // second entry, startblk_lo
  EXPECT_THAT(problems(), Contains(HasSubstr("outside of device 1")));
  put<std::uint16_t>(f.end() + 2, 2);  // first entry, device_id
  EXPECT_THAT(problems(), Contains(HasSubstr("no device 2")));
}

TEST_F(LyingImage, UnifiedAddressesLeadToTheDevice) {
  const InodeInfo f = inode("f");
  const std::uint64_t uniaddr = reader().devices()[0].uniaddr;
  put<std::uint16_t>(f.end() + 2, 0);
  put<std::uint32_t>(f.end() + 4, static_cast<std::uint32_t>(uniaddr + 1));
  const std::vector<FileExtent> extents = reader().extents(inode("f"));
  EXPECT_EQ(extents[0].device.value, 1);
  EXPECT_EQ(extents[0].address, 4096u);
}

TEST_F(LyingImage, LinkCountsAreChecked) {
  put<std::uint16_t>(inode("f").offset + 6, 3);
  put<std::uint16_t>(inode("d").offset + 6, 2);
  const auto found = problems();
  EXPECT_THAT(found, Contains(HasSubstr("link count is 3, not 2")));
  EXPECT_THAT(found, Contains(HasSubstr("/d/: link count is 2, not 3")));
}

TEST_F(LyingImage, DirectoryLoopsAndSecondNamesAreFound) {
  const InodeInfo d = inode("d");
  put<std::uint64_t>(d.end() + 24, reader().root().value);  // the entry "e"
  EXPECT_THAT(problems(), Contains(HasSubstr("/d/e: directory has a second name")));
  put<std::uint64_t>(d.end() + 24, d.nid.value);
  EXPECT_THAT(problems(), Contains(HasSubstr("/d/e: directory has a second name")));
  EXPECT_THAT(error_of([&] { describe_summary(reader()); }), HasSubstr(""));
}

TEST_F(LyingImage, NamesAndOrderAreChecked) {
  const InodeInfo d = inode("d");
  image_[d.end() + d.size - 1] = '/';
  EXPECT_THAT(problems(), Contains(HasSubstr("not a name")));
  image_[d.end() + d.size - 1] = '\x01';
  EXPECT_THAT(problems(), Contains(HasSubstr("out of order")));
  put<std::uint16_t>(d.end() + 8, 7);
  EXPECT_THAT(problems(), Contains(HasSubstr("first name at offset")));
  put<std::uint16_t>(d.end() + 8, 36);
  put<std::uint16_t>(d.end() + 20, 4000);
  EXPECT_FALSE(problems().empty());
}

TEST_F(LyingImage, XattrsOutsideOfTheirRegionAreRefused) {
  const InodeInfo x = inode("x");
  const std::size_t entry = x.offset + x.inode_size + 12;
  put<std::uint16_t>(entry + 2, 60000);
  EXPECT_THAT(error_of([&] { reader().xattrs(inode("x")); }), HasSubstr("corrupt"));
  put<std::uint16_t>(entry + 2, 5);
  image_[entry + 1] = 0x81;
  EXPECT_THAT(error_of([&] { reader().xattrs(inode("x")); }),
              HasSubstr("unsupported: image: read xattr: long name prefix"));
  image_[entry - 8] = 200;
  EXPECT_THAT(error_of([&] { reader().xattrs(inode("x")); }), HasSubstr("too many shared ids"));
}

TEST(BootstrapReader, TellsOfEntriesReadAlsoInsideOfOneFileAndOverManyFiles) {
  TestTree tree;
  constexpr std::uint64_t kBlocks = 1'100'000;  // more than 8 MiB of entries
  tree.file("large", kBlocks * 4096, {extent(1, 1, 0, 1)});
  for (int i = 0; i < 600; ++i)
    tree.file("f" + std::to_string(i), 2048 * 4096, {extent(1, 1, 0, 1)});
  BootstrapOptions options;
  options.devices.push_back(blob_device(1));
  const TestImage image = make_image(tree.finish(), options);
  BootstrapReader reader = image.reader();
  int calls = 0;
  reader.on_entries_read([&calls] { ++calls; });
  const auto read = [&](std::string_view path) {
    std::uint64_t end = 0;
    reader.for_each_extent(reader.inode(*reader.lookup(path)),
                           [&end](const FileExtent& extent) { end = extent.file.end(); });
    return end;
  };
  EXPECT_EQ(read("large"), kBlocks * 4096);
  EXPECT_EQ(calls, 2);
  for (int i = 0; i < 600; ++i)
    read("f" + std::to_string(i));
  EXPECT_EQ(calls, 4);
}

TEST(BootstrapReader, SurvivesTruncationAtEveryLengthAndDamageAtEveryByte) {
  SampleTree sample;
  const TestImage image = make_image(sample.tree.finish(), sample.options);
  for (std::size_t len = 0; len < image.bytes.size(); len += 997)
    LLVMFuzzerTestOneInput(image.bytes.data(), len);
  util::Buffer bytes = image.bytes;
  for (std::size_t at = 1024; at < bytes.size(); at += at < 4096 ? 1 : 89) {
    const std::uint8_t old = bytes[at];
    bytes[at] = static_cast<std::uint8_t>(~old);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    bytes[at] = old;
  }
}

}  // namespace
}  // namespace ondemand::erofs
