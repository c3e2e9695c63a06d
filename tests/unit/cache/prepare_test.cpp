// SPDX-License-Identifier: Apache-2.0
#include "cache/prepare.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>

#include "cache/backing_file.h"
#include "cache/extents.h"
#include "cache/refill.h"
#include "support/temporary_directory.h"
#include "unit/cache/image_source.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::cache {
namespace {

using test::IndexKind;

class Prepare : public testing::Test {
 protected:
  void SetUp() override {
    if (::setxattr(directory_.path().c_str(), "user.test", "", 0, 0) != 0)
      GTEST_SKIP() << "the temporary directory's file system has no user attributes";
    options_.note = [this](std::string_view line) { notes_ += std::string(line) + "\n"; };
  }

  // An image of one blob, with 200,000 bytes of kernel view, and a bootstrap of 8192 bytes.
  hash::Digest add(IndexKind kind, bool zstd, const std::string& name = "app:1") {
    layers_ = test::make_device(source_, view_, zstd, kind);
    layers_.push_back(test::make_bootstrap(source_, bootstrap_, zstd));
    return test::add_image(source_, name, layers_);
  }
  PreparedImage prepare(const std::string& reference = "app:1") {
    return prepare_image(root_, source_, reference, options_);
  }
  util::ErrorCode failure(const std::string& reference = "app:1") {
    try {
      prepare(reference);
    } catch (const util::Error& error) {
      message_ = error.message();
      return error.code();
    }
    ADD_FAILURE() << "nothing thrown";
    return util::ErrorCode::kInternal;
  }
  void expect_nothing_visible() {
    EXPECT_TRUE(root_.list_images().empty());
    EXPECT_TRUE(root_.list_names().empty());
    EXPECT_FALSE(root_.resolve("app:1"));
    std::error_code error;
    const std::filesystem::directory_iterator left(root_.temporary_directory(), error);
    EXPECT_TRUE(error || left == std::filesystem::directory_iterator()) << "a temporary is left";
  }
  // Every path with inode, times, size, mode and content.
  std::map<std::string, std::string> snapshot() {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_.path())) {
      struct stat info {};
      EXPECT_EQ(::lstat(entry.path().c_str(), &info), 0);
      std::string text = util::concat(info.st_ino, ' ', info.st_mtim.tv_sec, '.',
                                      info.st_mtim.tv_nsec, ' ', info.st_ctim.tv_nsec, ' ',
                                      info.st_size, ' ', info.st_blocks, ' ', info.st_mode);
      if (entry.is_regular_file()) text += content(entry.path());
      all[entry.path().native()] = std::move(text);
    }
    return all;
  }
  static std::string content(const std::filesystem::path& path) {
    return util::read_text_file(path, 1 << 26);
  }

  test::TemporaryDirectory directory_;
  test::ImageSource source_;
  CacheRoot root_{directory_.path() / "cache-root"};
  util::Buffer view_ = test::pattern(200'000, 7);
  util::Buffer bootstrap_ = test::pattern(8192, 8);
  std::vector<oci::Descriptor> layers_;
  PrepareOptions options_;
  std::string notes_;
  std::string message_;
};

TEST_F(Prepare, ABootstrapAboveTheLimitIsRefusedWhateverItsForm) {
  for (const bool zstd : {false, true}) {
    bootstrap_ = util::Buffer(1 << 20, 7);  // compresses to next to nothing
    add(IndexKind::kStandalone, zstd);
    options_.max_bootstrap_bytes = bootstrap_.size() / 2;
    EXPECT_EQ(failure(), util::ErrorCode::kTooLarge) << zstd;
    EXPECT_NE(message_.find("bootstrap sha256:"), std::string::npos) << message_;
    EXPECT_NE(message_.find("524288"), std::string::npos) << message_;
    expect_nothing_visible();
  }
  options_.max_bootstrap_bytes = bootstrap_.size();
  EXPECT_EQ(prepare().bootstrap_size, bootstrap_.size());
}

TEST_F(Prepare, ABlobThatIsFetchedWholeEndsAtTheLimitOfItsSlot) {
  add(IndexKind::kNone, true);
  std::uint64_t limit = view_.size() - 1;
  options_.view_limit = [&](const PreparedImage& image, std::size_t index) {
    EXPECT_TRUE(std::filesystem::exists(image.bootstrap));
    EXPECT_EQ(index, 0U);
    return limit;
  };
  EXPECT_EQ(failure(), util::ErrorCode::kTooLarge);
  EXPECT_NE(message_.find("is longer than 199999 bytes"), std::string::npos) << message_;
  expect_nothing_visible();
  limit = view_.size();
  EXPECT_EQ(prepare().blobs.at(0).size, 200'704U);
}

TEST_F(Prepare, ASizeInTheManifestThatLiesIsRefusedBeforeAnythingIsFetched) {
  layers_ = test::make_device(source_, view_, false, IndexKind::kStandalone);
  layers_.push_back(test::make_bootstrap(source_, bootstrap_, false));
  layers_.back().size = std::uint64_t{1} << 62;
  test::add_image(source_, "app:1", layers_);
  EXPECT_EQ(failure(), util::ErrorCode::kTooLarge);
  EXPECT_EQ(source_.whole_blobs.count(layers_.back().digest), 0U);
  expect_nothing_visible();
}

TEST_F(Prepare, MakesBootstrapCompleteAndBlobsSparse) {
  const hash::Digest manifest = add(IndexKind::kStandalone, true);
  const PreparedImage image = prepare();
  EXPECT_EQ(image.manifest, manifest);
  EXPECT_EQ(root_.resolve("app:1"), manifest);
  EXPECT_EQ(content(image.bootstrap), util::as_text(bootstrap_));
  EXPECT_EQ(image.bootstrap_digest, hash::sha256(bootstrap_));
  EXPECT_TRUE(inspect_backing_file(image.bootstrap).is_complete());
  ASSERT_EQ(image.blobs.size(), 1u);
  const PreparedBlob& blob = image.blobs[0];
  EXPECT_EQ(blob.size, 200'704u);  // padded to 4096
  EXPECT_EQ(inspect_backing_file(blob.backing_file).present, 0u);
  EXPECT_TRUE(inspect_backing_file(blob.backing_file).has_xattr);
  EXPECT_EQ(blob.stored_end, blob.stored_size);
  const auto index =
      blob::ChunkIndex::decode(util::read_file(blob.chunk_index, 1 << 20), "t", blob.stored_end);
  EXPECT_EQ(index.uncompressed_size(), 200'000u);
  EXPECT_EQ(source_.whole_blobs.count(blob.digest), 0u) << "the data was fetched";
}

TEST_F(Prepare, LaysTheVolumeOutAsTheKernelDoes) {
  add(IndexKind::kStandalone, true);
  const PreparedImage image = prepare();
  const auto volume = root_.path() / "cache" / "Ierofs,ondemand";
  std::array<char, 8> value{};
  EXPECT_EQ(::getxattr(volume.c_str(), kCacheXattr, value.data(), value.size()), 4);
  EXPECT_EQ(value, (std::array<char, 8>{}));
  for (const char* fan : {"@00", "@0a", "@ff"})
    EXPECT_TRUE(is_directory(volume / fan)) << fan;
  EXPECT_EQ(image.bootstrap.filename(), "D" + image.bootstrap_digest.hex());
  EXPECT_EQ(image.bootstrap.parent_path().parent_path(), volume);
}

TEST_F(Prepare, RunningAgainChangesNothing) {
  for (const auto kind : {IndexKind::kStandalone, IndexKind::kEmbedded, IndexKind::kNone}) {
    add(kind, true);
    prepare();
    const auto before = snapshot();
    prepare();
    EXPECT_EQ(snapshot(), before) << static_cast<int>(kind);
    std::filesystem::remove_all(root_.path());
  }
}

TEST_F(Prepare, RunningAgainChangesNothingWhereAnotherImageHasAnIndexForTheBlob) {
  view_.resize(196'608);  // whole blocks, as our own tools write it
  for (const bool zstd : {false, true}) {
    add(IndexKind::kStandalone, zstd);
    prepare();
    add(IndexKind::kNone, zstd, "app:2");
    prepare("app:2");
    const auto before = snapshot();
    prepare("app:2");
    EXPECT_EQ(snapshot(), before);
  }
}

TEST_F(Prepare, FilledDataIsKept) {
  add(IndexKind::kStandalone, true);
  const PreparedImage image = prepare();
  const util::Fd fd = util::open_file(image.blobs[0].backing_file, O_WRONLY);
  util::pwrite_full(fd.get(), util::Bytes(view_).first(65536), 0, "blob");
  util::fsync_fd(fd.get(), "blob");
  const auto before = snapshot();
  prepare();
  EXPECT_EQ(snapshot(), before);
  EXPECT_EQ(inspect_backing_file(image.blobs[0].backing_file).present, 65536u);
}

TEST_F(Prepare, EmbeddedIndexIsStoredAlone) {
  for (const bool zstd : {false, true}) {
    add(IndexKind::kEmbedded, zstd);
    const PreparedImage image = prepare();
    const PreparedBlob& blob = image.blobs[0];
    EXPECT_LT(blob.stored_end, blob.stored_size);
    const auto index =
        blob::ChunkIndex::decode(util::read_file(blob.chunk_index, 1 << 20), "t", blob.stored_end);
    EXPECT_EQ(index.uncompressed_size(), 200'000u);
    EXPECT_EQ(source_.whole_blobs.count(blob.digest), 0u);
  }
}

TEST_F(Prepare, BlobWithoutUsableIndexIsFetchedWhole) {
  for (const auto kind : {IndexKind::kNone, IndexKind::kUnsupported}) {
    for (const bool zstd : {false, true}) {
      view_ = test::pattern(200'000, 20 + static_cast<unsigned>(kind) * 2 + (zstd ? 1 : 0));
      add(kind, zstd);
      const PreparedImage image = prepare();
      const PreparedBlob& blob = image.blobs[0];
      EXPECT_TRUE(blob.chunk_index.empty());
      EXPECT_TRUE(inspect_backing_file(blob.backing_file).is_complete());
      std::string expected(util::as_text(view_));
      expected.resize(200'704);
      EXPECT_EQ(content(blob.backing_file), expected);
      EXPECT_NE(notes_.find("fetch"), std::string::npos);
    }
  }
}

TEST_F(Prepare, IndexThatTheManifestDoesNotVouchForIsNotUsed) {
  layers_ = test::make_device(source_, view_, false, IndexKind::kEmbedded);
  layers_[0].annotations.erase(std::string(format::kAnnotationIndexDigest));
  layers_.push_back(test::make_bootstrap(source_, bootstrap_, false));
  test::add_image(source_, "app:1", layers_);
  const PreparedImage image = prepare();
  EXPECT_TRUE(image.blobs[0].chunk_index.empty());
  EXPECT_TRUE(inspect_backing_file(image.blobs[0].backing_file).is_complete());
}

TEST_F(Prepare, BootstrapOfAnOddLengthIsPaddedWithWrittenZeros) {
  bootstrap_.resize(5000);
  for (const bool zstd : {false, true}) {
    add(IndexKind::kStandalone, zstd);
    const PreparedImage image = prepare();
    EXPECT_EQ(image.bootstrap_size, 8192u);
    EXPECT_TRUE(inspect_backing_file(image.bootstrap).is_complete());
    const auto before = snapshot();
    prepare();
    auto after = snapshot();
    // To compare it, it is fetched again, through a temporary.
    after.erase(root_.temporary_directory());
    auto expected = before;
    expected.erase(root_.temporary_directory());
    EXPECT_EQ(after, expected);
  }
}

TEST_F(Prepare, LyingSourceLeavesNothingVisible) {
  for (const bool zstd : {false, true}) {
    add(IndexKind::kStandalone, zstd);
    for (const std::size_t layer : {std::size_t{1}, std::size_t{2}}) {
      source_.liars = {layers_[layer].digest};
      EXPECT_EQ(failure(), util::ErrorCode::kDigestMismatch) << message_;
      expect_nothing_visible();
      std::filesystem::remove_all(root_.path());  // a verified part may stay
    }
    source_.liars = {source_.names.at("app:1")};
    EXPECT_EQ(failure(), util::ErrorCode::kDigestMismatch) << message_;
    expect_nothing_visible();
    source_.liars.clear();
  }
}

TEST_F(Prepare, LyingSourceOfAWholeBlobLeavesNothingVisible) {
  add(IndexKind::kNone, true);
  source_.liars = {layers_[0].digest};
  EXPECT_EQ(failure(), util::ErrorCode::kDigestMismatch);
  expect_nothing_visible();
  source_.liars.clear();
  source_.too_long = {layers_[0].digest};
  EXPECT_EQ(failure(), util::ErrorCode::kTooLarge);
  expect_nothing_visible();
}

TEST_F(Prepare, WrongUncompressedDigestIsRefused) {
  layers_ = test::make_device(source_, view_, true, IndexKind::kStandalone);
  layers_.push_back(test::make_bootstrap(source_, bootstrap_, true));
  layers_.back().annotations[std::string(format::kAnnotationUncompressedDigest)] =
      hash::sha256(view_).to_string();
  test::add_image(source_, "app:1", layers_);
  EXPECT_EQ(failure(), util::ErrorCode::kDigestMismatch);
  expect_nothing_visible();
}

TEST_F(Prepare, StructurallyWrongIndexIsRefused) {
  layers_ = test::make_device(source_, view_, false, IndexKind::kStandalone);
  util::Buffer payload = source_.blobs.at(layers_[1].digest);
  payload.pop_back();
  layers_[1].size = payload.size();
  layers_[1].digest = source_.add(payload);
  layers_.push_back(test::make_bootstrap(source_, bootstrap_, false));
  test::add_image(source_, "app:1", layers_);
  EXPECT_EQ(failure(), util::ErrorCode::kCorrupt) << message_;
  expect_nothing_visible();
}

TEST_F(Prepare, BrokenConnectionLeavesNothingAndTheNextRunSucceeds) {
  add(IndexKind::kStandalone, false);
  source_.break_after = 100;
  EXPECT_EQ(failure(), util::ErrorCode::kUnavailable);
  expect_nothing_visible();
  source_.break_after.reset();
  prepare();
  EXPECT_EQ(root_.list_names().size(), 1u);
}

TEST_F(Prepare, LeftoversOfAnInterruptedRunAreRemoved) {
  root_.create();
  const auto leftover = root_.temporary_directory() / ".tmp-abcdef";
  std::ofstream(leftover) << "half";
  add(IndexKind::kStandalone, true);
  prepare();
  EXPECT_FALSE(std::filesystem::exists(leftover));
}

TEST_F(Prepare, ImageThatIsNotThereIsNotFoundAndMakesNoCache) {
  EXPECT_EQ(failure("nobody:2"), util::ErrorCode::kNotFound);
  EXPECT_NE(message_.find("nobody:2"), std::string::npos);
  EXPECT_NE(message_.find("fake-store"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(root_.path()));
}

TEST_F(Prepare, MissingBlobIsNotFound) {
  add(IndexKind::kStandalone, true);
  source_.blobs.erase(layers_[2].digest);
  EXPECT_EQ(failure(), util::ErrorCode::kNotFound);
  expect_nothing_visible();
}

TEST_F(Prepare, CheckIsAskedBeforeTheManifestIsVisible) {
  add(IndexKind::kStandalone, true);
  options_.check = [this](const PreparedImage& image) {
    EXPECT_EQ(image.blobs.at(0).size, 200'704u);
    EXPECT_EQ(image.bootstrap_size, 8192u);
    EXPECT_TRUE(root_.list_images().empty());
    throw util::Error(util::ErrorCode::kCorrupt, "no");
  };
  EXPECT_EQ(failure(), util::ErrorCode::kCorrupt);
  expect_nothing_visible();
}

TEST_F(Prepare, NameMovesToANewImageAndTheOldOneStays) {
  const hash::Digest first = add(IndexKind::kStandalone, true);
  prepare();
  bootstrap_ = test::pattern(12288, 9);
  const hash::Digest second = add(IndexKind::kStandalone, true);
  prepare();
  EXPECT_EQ(root_.resolve("app:1"), second);
  EXPECT_EQ(root_.resolve(first.to_string()), first);
  EXPECT_EQ(root_.list_images().size(), 2u);
  EXPECT_EQ(root_.list_names().size(), 1u);
}

TEST_F(Prepare, ByDigestRecordsNoName) {
  const hash::Digest manifest = add(IndexKind::kStandalone, true);
  prepare(manifest.to_string());
  EXPECT_TRUE(root_.list_names().empty());
}

TEST_F(Prepare, SecondImageWithAnotherIndexForTheSameBlobIsRefused) {
  add(IndexKind::kStandalone, false);
  prepare();
  // The same bytes, cut in one frame of another length: a valid index, but not the first one's.
  blob::ChunkIndex other;
  other.append(100'000, 100'000, hash::sha256(util::Bytes(view_).first(100'000)));
  other.append(100'000, 100'000, hash::sha256(util::Bytes(view_).subspan(100'000)));
  const util::Buffer payload = other.encode();
  layers_[1].size = payload.size();
  layers_[1].digest = source_.add(payload);
  test::add_image(source_, "app:2", layers_);
  EXPECT_EQ(failure("app:2"), util::ErrorCode::kCorrupt);
  EXPECT_NE(message_.find("differs"), std::string::npos);
  EXPECT_FALSE(root_.resolve("app:2"));
}

TEST_F(Prepare, ImageWithoutIndexFillsWhatAnotherImageHasLazily) {
  const hash::Digest first = add(IndexKind::kStandalone, false);
  const PreparedImage lazy = prepare();
  const util::Fd fd = util::open_file(lazy.blobs[0].backing_file, O_WRONLY);
  util::pwrite_full(fd.get(), util::Bytes(view_).first(4096), 0, "blob");
  layers_.erase(layers_.begin() + 1);
  test::add_image(source_, "app:2", layers_);
  const PreparedImage whole = prepare("app:2");
  EXPECT_TRUE(inspect_backing_file(whole.blobs[0].backing_file).is_complete());
  EXPECT_FALSE(root_.open_image(first).blobs[0].chunk_index.empty());
}

TEST_F(Prepare, ImageWithoutIndexRefusesForeignBytesOfAnother) {
  add(IndexKind::kStandalone, false);
  const PreparedImage lazy = prepare();
  const util::Fd fd = util::open_file(lazy.blobs[0].backing_file, O_WRONLY);
  util::pwrite_full(fd.get(), test::pattern(4096, 99), 0, "blob");
  layers_.erase(layers_.begin() + 1);
  test::add_image(source_, "app:2", layers_);
  EXPECT_EQ(failure("app:2"), util::ErrorCode::kCorrupt);
  EXPECT_FALSE(root_.resolve("app:2"));
}

TEST_F(Prepare, DamagedBootstrapIsFetchedAgain) {
  add(IndexKind::kStandalone, true);
  const PreparedImage image = prepare();
  {
    const util::Fd fd = util::open_file(image.bootstrap, O_WRONLY);
    util::pwrite_full(fd.get(), test::pattern(10, 3), 4000, "bootstrap");
  }
  prepare();
  EXPECT_EQ(content(image.bootstrap), util::as_text(bootstrap_));
}

TEST_F(Prepare, DamagedBootstrapInUseIsRefused) {
  add(IndexKind::kStandalone, true);
  const PreparedImage image = prepare();
  const util::Fd user = util::open_file(image.bootstrap, O_RDONLY);
  {
    const util::Fd fd = util::open_file(image.bootstrap, O_WRONLY);
    util::pwrite_full(fd.get(), test::pattern(10, 3), 4000, "bootstrap");
  }
  EXPECT_EQ(failure(), util::ErrorCode::kCorrupt);
  EXPECT_NE(message_.find("in use"), std::string::npos);
}

TEST_F(Prepare, ForeignVolumeAttributeIsRefused) {
  root_.create();
  const auto volume = root_.path() / "cache" / "Ierofs,ondemand";
  std::filesystem::create_directory(volume);
  ASSERT_EQ(::setxattr(volume.c_str(), kCacheXattr, "abcde", 5, 0), 0);
  add(IndexKind::kStandalone, true);
  EXPECT_EQ(failure(), util::ErrorCode::kCorrupt);
  expect_nothing_visible();
}

TEST_F(Prepare, EmptyVolumeAttributeIsWrittenWhereAskedFor) {
  add(IndexKind::kStandalone, true);
  options_.volume_xattr = VolumeXattr::kEmpty;
  prepare();
  const auto volume = root_.path() / "cache" / "Ierofs,ondemand";
  EXPECT_EQ(::getxattr(volume.c_str(), kCacheXattr, nullptr, 0), 0);
}

TEST(PrepareElsewhere, FileSystemWithoutUserAttributesIsRefused) {
  // procfs and sysfs cannot be written to; /dev/shm is a tmpfs, which got user attributes in 6.6.
  char probe[] = "/dev/shm/ondemand-XXXXXX";
  if (::mkdtemp(probe) == nullptr) GTEST_SKIP() << "no /dev/shm";
  const bool has_attributes = ::setxattr(probe, "user.test", "", 0, 0) == 0;
  test::ImageSource source;
  const auto bootstrap = test::make_bootstrap(source, test::pattern(4096, 1), false);
  test::add_image(source, "app", {bootstrap});
  std::string notes;
  PrepareOptions options;
  options.note = [&](std::string_view line) { notes += line; };
  const CacheRoot root(std::filesystem::path(probe) / "root");
  try {
    prepare_image(root, source, "app", options);
    EXPECT_TRUE(has_attributes);
    EXPECT_NE(notes.find("no transport"), std::string::npos);
  } catch (const util::Error& error) {
    EXPECT_FALSE(has_attributes);
    EXPECT_EQ(error.code(), util::ErrorCode::kUnsupported);
  }
  std::filesystem::remove_all(probe);
}

// Pages that are in the page cache.
std::size_t cached_pages(int fd, std::size_t size) {
  void* const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  EXPECT_NE(map, MAP_FAILED);
  std::vector<unsigned char> pages((size + 4095) / 4096);
  EXPECT_EQ(::mincore(map, size, pages.data()), 0);
  ::munmap(map, size);
  return static_cast<std::size_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; }));
}

TEST(Refill, WritesDirectlyIntoAFileThatTheKernelMayHaveInUse) {
  const test::TemporaryDirectory directory;
  constexpr std::size_t kSize = 600 * 1024;
  const util::Buffer bytes = test::pattern(kSize, 9);
  const util::Fd whole = util::open_file(directory.path() / "whole", O_RDWR | O_CREAT, 0600);
  util::pwrite_full(whole.get(), bytes, 0, "whole");
  const auto path = directory.path() / "sparse";
  const util::Fd sparse = util::open_file(path, O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::ftruncate(sparse.get(), kSize), 0);
  if (!util::Fd(::open(path.c_str(), O_RDWR | O_DIRECT))) GTEST_SKIP() << "no direct I/O here";
  fill_missing(whole.get(), path, kSize);
  EXPECT_EQ(cached_pages(sparse.get(), kSize), 0U);
  util::Buffer found(kSize);
  util::pread_full(sparse.get(), found, 0, "sparse");
  EXPECT_EQ(found, bytes);
  EXPECT_TRUE(missing_ranges(sparse.get(), {0, kSize}, "sparse").empty());
}

// Every write of this process fails while it lives.
class NoWrites {
 public:
  NoWrites() : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &limit_), 0);
    const rlimit none{0, limit_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  }
  ~NoWrites() {
    ::setrlimit(RLIMIT_FSIZE, &limit_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit limit_{};
};

TEST(Refill, MakesNoHolesInAFileThatSomebodyHasOpen) {
  const test::TemporaryDirectory directory;
  constexpr std::size_t kSize = 64 * 1024;
  const util::Fd whole = util::open_file(directory.path() / "whole", O_RDWR | O_CREAT, 0600);
  util::pwrite_full(whole.get(), test::pattern(kSize, 9), 0, "whole");
  const auto path = directory.path() / "sparse";
  util::Fd sparse = util::open_file(path, O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::ftruncate(sparse.get(), kSize), 0);
  if (::fallocate(sparse.get(), 0, 0, kSize) != 0 || unwritten_ranges(sparse.get(), "x").empty() ||
      !util::Fd(::open(path.c_str(), O_RDWR | O_DIRECT)))
    GTEST_SKIP() << "no unwritten space or no direct I/O here";
  for (const bool is_open : {true, false}) {
    if (!is_open) sparse.reset();
    {
      const NoWrites none;
      EXPECT_THROW(fill_missing(whole.get(), path, kSize), util::Error);
    }
    EXPECT_EQ(inspect_backing_file(path).unwritten, is_open ? kSize : 0U);
  }
}

}  // namespace
}  // namespace ondemand::cache
