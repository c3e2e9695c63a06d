// SPDX-License-Identifier: Apache-2.0
#include "image/chunk_dict.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "format/image_spec.h"
#include "hash/sha256.h"
#include "image/image_builder.h"
#include "input/image_input.h"
#include "oci/json.h"
#include "support/temporary_directory.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::image {
namespace {

namespace fs = std::filesystem;

// Two images with much in common, made by tar(1) out of files of random bytes: "first" has the
// files common, edge and first; "second" has common, edge and second.
class ChunkDictTest : public ::testing::Test {
 protected:
  void SetUp() override {
    shell(
        "mkdir first second; head -c 3000000 /dev/urandom > first/common; "
        "head -c 70001 /dev/urandom > first/edge; cp first/* second/; "
        "head -c 500000 /dev/urandom > first/first; head -c 400000 /dev/urandom > second/second; "
        "touch -d @1000000000 first/* second/*; "
        "for i in first second; do tar -cf $i.tar --sort=name -C $i .; done");
  }

  void shell(const std::string& script) {
    const std::string command = "set -e; cd " + dir_.path().native() + "; " + script;
    ASSERT_EQ(std::system(command.c_str()), 0) << script;
  }

  store::Store open_store() {
    return store::Store::create_or_open(dir_.path() / "store", util::Durability::kNoSync);
  }

  static BuildOptions options(const std::string& ref, std::vector<std::string> dictionary = {}) {
    BuildOptions build;
    build.ref = ref;
    build.jobs = 2;
    build.tool = "test";
    build.dictionary = std::move(dictionary);
    return build;
  }

  BuildResult build(const std::string& tar, const BuildOptions& options) {
    input::InputOptions in;
    in.image = (dir_.path() / tar).native();
    input::ImageInput input = input::open_image(in);
    store::Store store = open_store();
    return build_image(input, store, options);
  }

  static std::string error_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const util::Error& error) {
      return error.what();
    }
    return "no error";
  }

  test::TemporaryDirectory dir_;
};

TEST_F(ChunkDictTest, ASecondImageStoresOnlyWhatTheFirstDoesNotHave) {
  build("first.tar", options("first"));
  const BuildResult second = build("second.tar", options("second", {"first"}));
  ASSERT_EQ(second.blobs.size(), 2U);
  EXPECT_EQ(second.blobs[0].dictionary, "first");
  EXPECT_TRUE(second.blobs[0].was_there);
  EXPECT_EQ(second.blobs[0].shared_bytes, 3070001U);
  EXPECT_EQ(second.blobs[1].dictionary, "");
  EXPECT_EQ(second.blobs[1].result.nblocks, (400000 + 4095) / 4096U);
  EXPECT_EQ(second.data.unique_bytes, 400000U);
  EXPECT_EQ(second.data.shared_bytes, 3070001U);
}

TEST_F(ChunkDictTest, WithoutADictionaryNothingChanges) {
  const BuildResult alone = build("second.tar", options("second"));
  BuildOptions bounded = options("second");
  bounded.max_blobs = 1;
  EXPECT_EQ(build("second.tar", bounded).manifest, alone.manifest);
}

TEST_F(ChunkDictTest, AnImageThatIsItsOwnDictionaryIsTheSameImage) {
  const BuildResult first = build("first.tar", options("first"));
  const BuildResult again = build("first.tar", options("again", {"first"}));
  EXPECT_EQ(again.manifest, first.manifest);
  EXPECT_EQ(again.added_bytes, 0U);
}

TEST_F(ChunkDictTest, JobsAndTheOrderOfDuplicatesNeverChangeAByte) {
  build("first.tar", options("first"));
  BuildOptions one = options("a", {"first"});
  one.jobs = 1;
  const BuildResult a = build("second.tar", one);
  BuildOptions four = options("b", {"first", "first"});
  four.jobs = 4;
  EXPECT_EQ(build("second.tar", four).manifest, a.manifest);
}

// A later entry replaces what the dictionary had: its blob is dropped, and yet it is not a layer
// below that gave those bytes.
TEST_F(ChunkDictTest, WhatADroppedDonorGaveIsToldAsTheDictionarys) {
  build("first.tar", options("first"));
  shell(
      "cp -r second none; rm none/edge none/second; echo small > none/common; "
      "mkdir big; cp first/common big/; tar -cf mixed.tar -C big ./common; "
      "tar -rf mixed.tar -C none ./common");
  const BuildResult mixed = build("mixed.tar", options("mixed", {"first"}));
  for (const BlobObject& blob : mixed.blobs)
    EXPECT_EQ(blob.dictionary, "");
  EXPECT_EQ(mixed.data.shared_bytes, 3000000U);
  EXPECT_EQ(mixed.dropped_shared_bytes, 3000000U);
}

TEST_F(ChunkDictTest, AnImageBlobIsADonorAndARecipientToo) {
  BuildOptions whole = options("first");
  whole.one_blob = true;
  build("first.tar", whole);
  BuildOptions second = options("second", {"first"});
  second.one_blob = true;
  const BuildResult result = build("second.tar", second);
  ASSERT_EQ(result.blobs.size(), 2U);
  EXPECT_EQ(result.data.unique_bytes, 400000U);
}

TEST_F(ChunkDictTest, ADonorMayHaveAnotherChunkSizeFrameSizeAndCompression) {
  BuildOptions donor = options("first");
  donor.chunk_size = 256 * util::kKiB;
  donor.blob.frame_size = 1024 * util::kKiB;
  donor.blob.form = blob::StoredForm::kRaw;
  build("first.tar", donor);
  const BuildResult second = build("second.tar", options("second", {"first"}));
  EXPECT_EQ(second.data.unique_bytes, 400000U);
}

TEST_F(ChunkDictTest, WhatALaterEntryReplacedIsFoundInTheBlobAllTheSame) {
  shell("mkdir late; echo small > late/common; tar -rf first.tar -C late ./common");
  build("first.tar", options("first"));
  const BuildResult second = build("second.tar", options("second", {"first"}));
  EXPECT_EQ(second.data.unique_bytes, 400000U);
}

TEST_F(ChunkDictTest, ABoundKeepsTheDonorsThatSaveMost) {
  shell(
      "for i in 1 2 3; do mkdir p$i; head -c ${i}00000 /dev/urandom > p$i/f$i; "
      "tar -cf p$i.tar -C p$i .; cp p$i/f$i second/; done; tar -cf all.tar --sort=name -C second "
      ".");
  for (const char* name : {"p1", "p2", "p3"})
    build(std::string(name) + ".tar", options(name));
  BuildOptions bounded = options("all", {"p1", "p2", "p3"});
  bounded.max_blobs = 3;  // one of our own, two donors
  const BuildResult all = build("all.tar", bounded);
  ASSERT_EQ(all.blobs.size(), 3U);
  EXPECT_EQ(all.blobs[0].dictionary, "p2");
  EXPECT_EQ(all.blobs[1].dictionary, "p3");
  bounded.max_blobs = 1;
  const BuildResult alone = build("all.tar", bounded);
  EXPECT_EQ(alone.blobs.size(), 1U);
  ASSERT_EQ(alone.warnings.size(), 1U);
  EXPECT_NE(alone.warnings[0].find("dictionary: not used"), std::string::npos);
}

// A layer of which donors have all has no blob: its place is free for another donor.
TEST_F(ChunkDictTest, ADonorMayTakeThePlaceOfALayersBlob) {
  build("first.tar", options("first"));
  BuildOptions one = options("again", {"first"});
  one.max_blobs = 1;
  const BuildResult again = build("first.tar", one);
  ASSERT_EQ(again.blobs.size(), 1U);
  EXPECT_EQ(again.blobs[0].dictionary, "first");
  EXPECT_TRUE(again.warnings.empty());

  if (std::system("command -v umoci >/dev/null") != 0) GTEST_SKIP() << "umoci is not installed";
  shell(
      "mkdir third; head -c 900000 /dev/urandom > third/third; tar -cf third.tar -C third .; "
      "cp third/third second/; tar -cf second.tar --sort=name -C second .; "
      "umoci init --layout oci && umoci new --image oci:two && "
      "umoci raw add-layer --image oci:two first.tar && "
      "umoci raw add-layer --image oci:two second.tar");
  build("third.tar", options("third"));
  BuildOptions three = options("two", {"first", "third"});
  three.max_blobs = 3;
  const BuildResult two = build("oci", three);
  ASSERT_EQ(two.blobs.size(), 3U);
  EXPECT_EQ(two.blobs[0].dictionary, "first");
  EXPECT_EQ(two.blobs[1].dictionary, "third");
  EXPECT_EQ(two.data.unique_bytes, 400000U);
}

TEST_F(ChunkDictTest, ADonorThatSavesLessThanItsIndexIsNotTaken) {
  shell(
      "mkdir tiny huge; head -c 100 first/edge > tiny/f; cp tiny/f huge/; "
      "head -c 30000000 /dev/urandom > huge/big; for i in tiny huge; do tar -cf $i.tar -C $i .; "
      "done");
  build("huge.tar", options("huge"));
  const BuildResult tiny = build("tiny.tar", options("tiny", {"huge"}));
  ASSERT_EQ(tiny.blobs.size(), 1U);
  EXPECT_EQ(tiny.blobs[0].dictionary, "");
}

TEST_F(ChunkDictTest, TheImageStaysWholeWhenTheDonorsNameGoes) {
  build("first.tar", options("first"));
  const BuildResult second = build("second.tar", options("second", {"first"}));
  const store::Store store = open_store();
  const oci::Manifest manifest = oci::parse_manifest(
      store.read_small_blob(second.manifest, oci::kMaxManifestBytes), "manifest");
  const oci::ErofsImage image = oci::interpret_manifest(manifest, "manifest");
  ASSERT_EQ(image.devices.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(image.devices[i].descriptor.digest, second.blobs[i].result.digest);
    EXPECT_TRUE(image.devices[i].standalone_index.has_value());
  }
}

TEST_F(ChunkDictTest, AnImageThatIsNotThereOrNoErofsImageIsRefusedByName) {
  EXPECT_NE(error_of([&] {
              build("second.tar", options("second", {"none"}));
            }).find("chunk dictionary 'none': open: is not in the store"),
            std::string::npos);
  EXPECT_TRUE(open_store().list().empty());
}

// A blob that changed in the store must not become part of another image.
TEST_F(ChunkDictTest, ADamagedDonorIsRefused) {
  const BuildResult first = build("first.tar", options("first"));
  const fs::path path = open_store().blob_path(first.blobs[0].result.digest);
  const util::Fd fd = util::open_file(path, O_RDWR);
  util::pwrite_full(fd.get(), util::as_bytes("damage"), 1000, "blob");
  EXPECT_NE(error_of([&] {
              build("second.tar", options("second", {"first"}));
            }).find("another digest than the chunk index says"),
            std::string::npos);
  fs::resize_file(path, 1000);
  EXPECT_NE(error_of([&] {
              build("second.tar", options("second", {"first"}));
            }).find("its chunk index ends at"),
            std::string::npos);
}

// What another builder wrote: a blob without a chunk index, or with one inside of it.
TEST_F(ChunkDictTest, ADonorWithoutAStandaloneIndexIsRefused) {
  const BuildResult first = build("first.tar", options("first"));
  store::Store store = open_store();
  oci::Manifest manifest = oci::parse_manifest(
      store.read_small_blob(first.manifest, oci::kMaxManifestBytes), "manifest");
  manifest.layers.erase(manifest.layers.begin() + 1);
  store.add_image(
      store.put_bytes(util::as_bytes(oci::to_json(manifest)), format::kMediaOciManifest), "bare");
  EXPECT_NE(error_of([&] {
              build("second.tar", options("second", {"bare"}));
            }).find("has no chunk index of its own"),
            std::string::npos);
}

// A manifest that gives a bootstrap the blob of another image.
TEST_F(ChunkDictTest, ABootstrapWhoseDataIsNotInItsBlobIsRefused) {
  const BuildResult first = build("first.tar", options("first"));
  shell("mkdir tiny; echo x > tiny/x; tar -cf tiny.tar -C tiny .");
  const BuildResult tiny = build("tiny.tar", options("tiny"));
  store::Store store = open_store();
  const auto manifest_of = [&](const BuildResult& result) {
    return oci::parse_manifest(store.read_small_blob(result.manifest, oci::kMaxManifestBytes),
                               "manifest");
  };
  oci::Manifest manifest = manifest_of(tiny);
  manifest.layers.back() = manifest_of(first).layers.back();
  store.add_image(
      store.put_bytes(util::as_bytes(oci::to_json(manifest)), format::kMediaOciManifest), "mixed");
  EXPECT_NE(error_of([&] {
              build("second.tar", options("second", {"mixed"}));
            }).find("is not in its blob"),
            std::string::npos);
}

// Another builder's blob may end inside of a block: that one is stored again, the others serve.
TEST_F(ChunkDictTest, ZerosFollowABlobThatEndsInsideOfABlock) {
  BuildOptions raw = options("first");
  raw.blob.form = blob::StoredForm::kRaw;
  const BuildResult first = build("first.tar", raw);
  store::Store store = open_store();
  util::Buffer bytes = util::read_file(store.blob_path(first.blobs[0].result.digest), 1 << 24);
  bytes.resize(bytes.size() - (4096 - 500000 % 4096));  // "first", whose tail lies last
  blob::BlobResult cut;
  cut.digest = hash::sha256(bytes);
  cut.uncompressed_digest = cut.digest;
  cut.stored_size = bytes.size();
  cut.index.set_form(blob::StoredForm::kRaw);
  cut.index.append(bytes.size(), bytes.size(), cut.digest);
  store.put_bytes(bytes, "application/octet-stream");
  const util::Buffer index = cut.index.encode();
  store.put_bytes(index, "index");
  const BlobLayers layers = describe_blob(cut, index);
  oci::Manifest manifest = oci::parse_manifest(
      store.read_small_blob(first.manifest, oci::kMaxManifestBytes), "manifest");
  manifest.layers[0] = layers.blob;
  manifest.layers[1] = layers.index;
  store.add_image(
      store.put_bytes(util::as_bytes(oci::to_json(manifest)), format::kMediaOciManifest), "cut");
  const BuildResult again = build("first.tar", options("again", {"cut"}));
  ASSERT_EQ(again.blobs.size(), 1U);
  EXPECT_EQ(again.blobs[0].result.digest, cut.digest);
  EXPECT_EQ(again.data.unique_bytes, 0U);
}

TEST_F(ChunkDictTest, EveryPlaceOfAChunkIsKnownAndItsDigestIsThatOfItsBytes) {
  const BuildResult first = build("first.tar", options("first"));
  const store::Store store = open_store();
  util::ThreadPool pool(2, 16);
  const ChunkDict dict(store, {"first"}, 64 * util::kKiB, pool, dir_.path());
  EXPECT_EQ(dict.size(), first.data.unique_chunks);
  ASSERT_EQ(dict.blobs().size(), 1U);
  const util::Buffer edge = util::read_file(dir_.path() / "first/edge", 1 << 20);
  const auto tail = util::Bytes(edge).subspan(64 * util::kKiB);
  const auto places = dict.find(hash::sha256(tail));
  ASSERT_EQ(places.size(), 1U);
  const ViewReader view(store, dict.blobs()[0].device.descriptor.digest, dict.blobs()[0].index);
  util::Buffer bytes(tail.size());
  view.read(std::uint64_t{places[0].start.value} * 4096, bytes);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), tail.begin()));
  EXPECT_TRUE(dict.find(hash::sha256(util::as_bytes("absent"))).empty());
}

// Sixteen hidden places, each in a frame of its own, that begin as the chunk does and go on
// otherwise.
TEST_F(ChunkDictTest, PlacesThatOnlyBeginAlikeCostBoundedWork) {
  shell(
      "mkdir bad; head -c 4096 /dev/urandom > head; for i in $(seq 18); do cat head; "
      "head -c 1044480 /dev/zero | tr '\\0' \"$(printf '\\\\%03o' $i)\"; done > bad/common; "
      "tar -cf bad.tar -C bad ./common; mkdir late; echo small > late/common; "
      "tar -rf bad.tar -C late ./common");
  BuildOptions large = options("bad");
  large.chunk_size = large.blob.frame_size = 1024 * util::kKiB;
  build("bad.tar", large);
  const store::Store store = open_store();
  util::ThreadPool pool(2, 16);
  ChunkDict dict(store, {"bad"}, 64 * util::kKiB, pool, dir_.path());
  util::Buffer chunk = util::read_file(dir_.path() / "head", 1 << 20);
  chunk.resize(64 * std::size_t{util::kKiB}, 200);
  std::uint64_t asked = 0;
  for (unsigned i = 0; i < 10; ++i) {
    chunk.back() = static_cast<std::uint8_t>(i);
    EXPECT_FALSE(dict.find_hidden(hash::sha256(chunk), chunk));
    asked += chunk.size();
  }
  EXPECT_GE(dict.hidden_work(), ChunkDict::kHiddenCredit);
  EXPECT_LE(dict.hidden_work(), ChunkDict::kHiddenCredit + 2 * asked + 10 * large.blob.frame_size);
}

}  // namespace
}  // namespace ondemand::image
