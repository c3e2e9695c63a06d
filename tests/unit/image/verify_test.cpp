// SPDX-License-Identifier: Apache-2.0
#include "image/verify.h"

#include <gtest/gtest.h>

#include "image/image_objects.h"
#include "image/staged_source.h"
#include "support/temporary_directory.h"
#include "unit/erofs/test_tree.h"

namespace ondemand::image {
namespace {

util::Buffer pattern(std::size_t len) {
  util::Buffer bytes(len);
  for (std::size_t i = 0; i < len; ++i)
    bytes[i] = static_cast<std::uint8_t>(1 + i * 11 + i / 253);
  return bytes;
}

TEST(ContentDigest, DoesNotDependOnPiecesNorOnHowZerosAreTold) {
  util::Buffer bytes = pattern(20000);
  std::fill(bytes.begin() + 4096, bytes.begin() + 3 * 4096, std::uint8_t{0});
  ContentDigest whole;
  whole.add(0, bytes);
  const hash::Digest expected = whole.finish(bytes.size());
  for (const std::size_t step : {1U, 7U, 4095U, 4096U, 5000U}) {
    ContentDigest pieces;
    for (std::size_t at = 0; at < bytes.size(); at += step)
      pieces.add(at, util::Bytes(bytes).subspan(at, std::min(step, bytes.size() - at)));
    EXPECT_EQ(pieces.finish(bytes.size()), expected) << step;
  }
  ContentDigest sparse;
  sparse.add(0, util::Bytes(bytes).first(4096));
  sparse.add(3 * 4096, util::Bytes(bytes).subspan(3 * 4096));
  EXPECT_EQ(sparse.finish(bytes.size()), expected);
}

TEST(ContentDigest, TellsSizesPlacesAndBytesApart) {
  const auto digest = [](std::uint64_t offset, std::string_view bytes, std::uint64_t size) {
    ContentDigest content;
    content.add(offset, util::as_bytes(bytes));
    return content.finish(size);
  };
  const hash::Digest base = digest(0, "x", 8192);
  EXPECT_NE(digest(0, "x", 8193), base);
  EXPECT_NE(digest(1, "x", 8192), base);
  EXPECT_NE(digest(4096, "x", 8192), base);
  EXPECT_NE(digest(0, "y", 8192), base);
}

// An image of one file in two frames and one hole, made by hand; each test spoils something.
class VerifyImage : public ::testing::Test {
 protected:
  VerifyImage() : store_(store::Store::create_or_open(dir_.path() / "store")) {
    view_ = pattern(3 * 4096);
    std::fill(view_.end() - 3, view_.end(), std::uint8_t{0});
    tree::Inode& file =
        tree_.file("file", 5 * 4096 - 3, {erofs::extent(0, 1, 0, 1), erofs::extent(3, 2, 1, 1)});
    file.mtime = {5, 6};
    tree_.directory("dir");
    ContentDigest content;
    content.add(0, util::Bytes(view_).first(4096));
    content.add(3 * 4096, util::Bytes(view_).subspan(4096, 2 * 4096 - 3));
    content_.resize(tree_.raw().inodes.size());
    content_[1] = content.finish(5 * 4096 - 3);
  }

  // The message of the error; empty when the image is as it was.
  std::string verify() {
    blob::BlobResult blob;
    blob.digest = blob.uncompressed_digest = hash::sha256(view_);
    blob.stored_size = view_.size();
    blob.nblocks = 3;
    blob.index.set_form(blob::StoredForm::kRaw);
    blob.index.append(4096, 4096, hash::sha256(util::Bytes(view_).first(4096)));
    blob.index.append(8192, 8192, hash::sha256(util::Bytes(view_).subspan(4096)));
    erofs::BootstrapOptions options;
    options.devices = {{blob.digest.hex(), 3}};
    const erofs::TestImage image = erofs::make_image(tree_.finish(), options);
    BootstrapObject bootstrap;
    bootstrap.digest = bootstrap.uncompressed_digest = hash::sha256(image.bytes);
    bootstrap.size = bootstrap.stored_size = image.bytes.size();
    Provenance provenance;
    provenance.platform.os = "linux";
    provenance.platform.architecture = "amd64";
    std::vector<BlobObject> blobs(1);
    blobs[0].result = blob;
    const Publication publication = plan_publication(blobs, bootstrap, provenance);

    StagedSource source(store_);
    const util::Fd file(::memfd_create("blob", MFD_CLOEXEC));
    if (spoil_) (*view_byte_) ^= 1;
    util::write_full(file.get(), view_, "blob");
    source.add_file(blob.digest, file.get(), view_.size());
    source.add_bytes(std::string(util::as_text(publication.indexes[0])));
    source.add_bytes(std::string(util::as_text(image.bytes)));
    source.add_bytes(publication.config);
    if (change_) change_(tree_.raw());
    return erofs::error_of([&] {
      verify_image(source, source.add_bytes(publication.manifest), tree_.raw(), content_,
                   dir_.path());
    });
  }

  test::TemporaryDirectory dir_;
  store::Store store_;
  erofs::TestTree tree_;
  util::Buffer view_;
  ContentRecord content_;
  bool spoil_ = false;
  std::uint8_t* view_byte_ = nullptr;
  std::function<void(tree::Tree&)> change_;
};

TEST_F(VerifyImage, WhatIsAsItWasPasses) {
  EXPECT_EQ(verify(), "");
}

TEST_F(VerifyImage, AByteThatTheDiskLostIsFound) {
  spoil_ = true;
  view_byte_ = &view_[5000];
  EXPECT_NE(verify().find("frame 1 at 0x1000: verify"), std::string::npos);
}

TEST_F(VerifyImage, OtherContentUnderRightDigestsIsFound) {
  content_[1] = hash::sha256(util::as_bytes("something else was read"));
  EXPECT_EQ(verify(),
            "corrupt: verify what was written: /file: its content differs from what was read");
}

TEST_F(VerifyImage, AFileThatWasNeverReadIsFound) {
  content_.clear();
  EXPECT_NE(verify(), "");
}

TEST_F(VerifyImage, BytesBehindTheEndOfAFileAreFound) {
  view_.back() = 1;
  EXPECT_NE(verify().find("/file: what follows its end in its last block is not zero"),
            std::string::npos);
}

TEST_F(VerifyImage, AnotherAttributeIsFound) {
  change_ = [](tree::Tree& tree) { tree.inodes[1].uid = 7; };
  EXPECT_NE(verify().find("uid differs"), std::string::npos);
}

}  // namespace
}  // namespace ondemand::image
