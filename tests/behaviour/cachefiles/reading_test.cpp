// SPDX-License-Identifier: Apache-2.0
//
// Behaviours of reading: what comes, in what form, and how often the daemon is asked.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "behaviour/cachefiles/behaviour_test.h"
#include "cache/cookie_file.h"

namespace ondemand::behaviour {
namespace {

class Reads : public Behaviour {};
INSTANTIATE_TEST_SUITE_P(, Reads, testing::ValuesIn(parameters()), name_of);

// fscache/001: layouts; a second mount asks nothing.
TEST_P(Reads, B01_EveryLayoutReadsRightAndIsAskedForOnce) {
  const TestImage images[] = {plain_image(), inline_image(), two_blob_image(), metadata_image()};
  for (std::size_t i = 0; i < std::size(images); ++i) {
    SCOPED_TRACE(i);
    const MountOptions options{"boot" + std::to_string(i), ""};
    prepare(images[i], options);
    ASSERT_EQ(begin_service(), 0);
    ASSERT_EQ(mount(images[i], options), 0);
    EXPECT_EQ(read_all(images[i]), Outcome::kGood);
    EXPECT_GT(daemon_->requests().size(), 0u);
    daemon_->forget_requests();
    system_->forget_pages();
    EXPECT_EQ(read_all(images[i]), Outcome::kGood);
    mount_.reset();
    ASSERT_EQ(mount(images[i], options), 0);
    EXPECT_EQ(read_all(images[i]), Outcome::kGood);
    mount_.reset();
    EXPECT_EQ(daemon_->requests().size(), 0u);
    EXPECT_EQ(daemon_->malformed(), 0);
    end_service();
    // Nor does another daemon.
    ASSERT_EQ(begin_service(), 0);
    ASSERT_EQ(mount(images[i], options), 0);
    EXPECT_EQ(read_all(images[i]), Outcome::kGood);
    EXPECT_EQ(daemon_->requests().size(), 0u);
    mount_.reset();
    end_service();
  }
}

// fscache/008: much at once.
TEST_P(Reads, B08_ManyReadersAndThreadsGetTheirOwnData) {
  prepare(image_, {"boot", ""});
  ASSERT_EQ(begin_service(4), 0);
  ASSERT_EQ(mount(image_), 0);
  std::vector<std::unique_ptr<Reading>> readings;
  for (int round = 0; round < 3; ++round)
    for (unsigned file = 0; file < image_.files.size(); ++file)
      readings.push_back(start(file, kFileBytes));
  for (const auto& reading : readings)
    EXPECT_EQ(reading->wait(), Outcome::kGood);
  EXPECT_EQ(daemon_->malformed(), 0);
}

// fscache/009: the same without readahead.
TEST_P(Reads, B09_PageByPage) {
  begin();
  daemon_->forget_requests();
  EXPECT_EQ(mount_->start_read(image_.files[0], 0, 32768, true)->wait(), Outcome::kGood);
  const auto requests = daemon_->requests();
  EXPECT_GE(requests.size(), 8u);
  for (const Request& request : requests)
    EXPECT_EQ(request.range.len, 4096u);
}

// Two reading threads; a request is given once.
TEST_P(Reads, B18_EachRequestIsGivenToOneThread) {
  prepare(image_, {"boot", ""});
  ASSERT_EQ(begin_service(4), 0);
  ASSERT_EQ(mount(image_), 0);
  std::vector<std::unique_ptr<Reading>> readings;
  for (unsigned file = 0; file < image_.files.size(); ++file)
    readings.push_back(start(file, kFileBytes));
  for (const auto& reading : readings)
    EXPECT_EQ(reading->wait(), Outcome::kGood);
  daemon_->stop();
  if (is_demand()) {
    std::set<std::uint64_t> ids;
    for (const Request& request : daemon_->requests())
      EXPECT_TRUE(ids.insert(request.id).second) << request.id;
    EXPECT_EQ(*ids.begin(), 1u);
    EXPECT_EQ(*ids.rbegin(), ids.size());
  }
  for (const Request& request : daemon_->requests()) {
    EXPECT_EQ(request.range.offset % 4096, 0u);
    EXPECT_EQ(request.range.len % 4096, 0u);
    EXPECT_GT(request.range.len, 0u);
  }
}

// fscache/014: several mounts.
TEST_P(Reads, B14_SeveralMountsAtOnce) {
  prepare(image_, {"one", ""});
  prepare(image_, {"two", ""});
  ASSERT_EQ(begin_service(2), 0);
  auto one = system_->mount(image_, {"one", ""});
  auto two = system_->mount(image_, {"two", ""});
  ASSERT_EQ(one.error, 0);
  ASSERT_EQ(two.error, 0);
  EXPECT_EQ(system_->mount(image_, {"one", ""}).error, expected().repeated_mount);
  std::vector<std::unique_ptr<Reading>> readings;
  for (const ImageFile& file : image_.files) {
    readings.push_back(one.mount->start_read(file, 0, kFileBytes));
    readings.push_back(two.mount->start_read(file, 0, kFileBytes));
  }
  for (const auto& reading : readings)
    EXPECT_EQ(reading->wait(), Outcome::kGood);
  readings.clear();
  one.mount.reset();
  EXPECT_EQ(two.mount->start_read(image_.files[0], 0, kFileBytes)->wait(), Outcome::kGood);
}

// Odd sizes.
TEST_P(Reads, B20_ObjectWhoseSizeIsNoMultipleOfABlock) {
  TestImage odd = plain_image();
  odd.blobs[0].resize(odd.blobs[0].size() - 100);
  odd.files[7].size -= 100;
  prepare(odd, {"boot", ""});
  for (const bool is_warm : {false, true}) {
    ASSERT_EQ(begin_service(), 0);
    ASSERT_EQ(mount(odd), 0);
    EXPECT_EQ(read_all(odd), Outcome::kGood);
    if (is_warm) {
      EXPECT_EQ(daemon_->requests().size(), 0u);
    }
    mount_.reset();
    end_service();
  }
  const auto file = cache::cookie_path(root_, {"erofs,boot", "blob0", 1});
  EXPECT_EQ(std::filesystem::file_size(file), image_.blobs[0].size());
}

// Names of all four encodings.
TEST_P(Reads, B21_KeysOfAllEncodings) {
  for (const std::string key :
       {"plain", "\x01", "a b c d e f g", "\xe9\xe8\xe7\xe6\xe5\xe4 \x01x"}) {
    SCOPED_TRACE(key);
    const MountOptions options{key, "names"};
    prepare(metadata_image(), options);
  }
  ASSERT_EQ(begin_service(), 0);
  for (const auto& [options, image] : prepared_) {
    EXPECT_EQ(mount(image, options), 0) << options.fsid;
    if (mount_) {
      EXPECT_EQ(read_all(image), Outcome::kGood);
    }
    mount_.reset();
  }
}

// Remount under another id: the same blobs, in a volume of their own.
TEST_P(Reads, B23_AnotherIdIsAnotherVolume) {
  begin();
  EXPECT_EQ(read(image_.files[0]), Outcome::kGood);
  mount_.reset();
  end_service();
  prepare(image_, {"again", ""});
  ASSERT_EQ(begin_service(), 0);
  ASSERT_EQ(mount(image_, {"again", ""}), 0);
  EXPECT_EQ(read(image_.files[0]), Outcome::kGood);
  EXPECT_GT(daemon_->blob_requests(), 0u);
}

// Shared domain: what one image has fetched, the other has.
TEST_P(Reads, B24_ImagesOfADomainShareBlobs) {
  prepare(image_, {"one", "domain"});
  prepare(image_, {"two", "domain"});
  ASSERT_EQ(begin_service(), 0);
  ASSERT_EQ(mount(image_, {"one", "domain"}), 0);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
  daemon_->forget_requests();
  auto second = system_->mount(image_, {"two", "domain"});
  ASSERT_EQ(second.error, 0);
  for (const ImageFile& file : image_.files)
    EXPECT_EQ(second.mount->start_read(file, 0, kFileBytes)->wait(), Outcome::kGood);
  EXPECT_EQ(daemon_->blob_requests(), 0u);
  EXPECT_GT(daemon_->requests().size(), 0u);  // its bootstrap
}

}  // namespace
}  // namespace ondemand::behaviour
