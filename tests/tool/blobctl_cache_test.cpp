// SPDX-License-Identifier: Apache-2.0
//
// blobctl prepare, mount, umount, status and inspect, in process, on an image of mkfs.erofs in a
// store directory; what needs root or mkfs.erofs is skipped where that is not there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "blobctl/run.h"
#include "cache/backing_file.h"
#include "cache/cache_mark.h"
#include "cache/cache_root.h"
#include "control/control.h"
#include "mount/probe.h"
#include "support/temporary_directory.h"
#include "unit/cache/image_source.h"
#include "util/atomic_file.h"
#include "util/fd.h"

namespace ondemand::blobctl {
namespace {

using nlohmann::json;
using test::IndexKind;

class Blobctl : public testing::Test {
 protected:
  std::filesystem::path at(const char* name) { return directory_.path() / name; }

  void SetUp() override {
    std::filesystem::create_directories(at("tree") / "sub");
    std::filesystem::create_directory(at("mnt"));
    std::string text;
    for (int i = 0; i < 30'000; ++i)
      text += std::to_string(i) + "\n";
    content_ = text;
    std::ofstream(at("tree") / "numbers") << text;
    const std::string command =
        "mkfs.erofs --quiet --chunksize=65536 --blobdev=" + at("blob").native() + " " +
        at("boot").native() + " " + at("tree").native() + " >/dev/null 2>&1";
    if (std::system(command.c_str()) != 0) GTEST_SKIP() << "mkfs.erofs is not installed";
    view_ = util::read_file(at("blob"), 1 << 26);
    view_.resize((view_.size() + 4095) / 4096 * 4096);
    layers_ = test::make_device(image_, view_, true, IndexKind::kStandalone);
    layers_.push_back(test::make_bootstrap(image_, util::read_file(at("boot"), 1 << 26), true));
    manifest_ = test::add_image(image_, "app:1", layers_).to_string();
    write_store();
  }
  void TearDown() override {
    while (::umount2(at("mnt").c_str(), MNT_DETACH) == 0) {
    }
  }

  // Everything of image_ as an OCI layout.
  void write_store() {
    std::filesystem::create_directories(at("store") / "blobs" / "sha256");
    for (const auto& [digest, bytes] : image_.blobs)
      util::write_file_atomically(at("store") / "blobs" / "sha256" / digest.hex(), bytes,
                                  util::Durability::kNoSync);
    oci::Index index;
    for (const auto& [name, digest] : image_.names) {
      index.manifests.push_back(
          test::describe(format::kMediaOciManifest, digest, image_.blobs.at(digest).size()));
      index.manifests.back().annotations[std::string(format::kAnnotationRefName)] = name;
    }
    std::ofstream(at("store") / "index.json") << oci::to_json(index);
    std::ofstream(at("store") / "oci-layout") << R"({"imageLayoutVersion":"1.0.0"})";
  }

  int run(std::vector<std::string> args) {
    std::ostringstream out;
    std::ostringstream err;
    cli::Io io{STDIN_FILENO, out, err, false};
    const int status = blobctl::run(args, io);
    out_ = out.str();
    err_ = err.str();
    return status;
  }
  int prepare(const std::string& reference = "app:1") {
    return run({"prepare", "--store", at("store"), reference, "--cache", at("cache")});
  }
  // All data into the backing file, as demandd would write it.
  void fill() {
    const cache::CacheRoot root(at("cache"));
    const auto image = root.open_image(*root.resolve("app:1"));
    const util::Fd fd = util::open_file(image.blobs.at(0).backing_file, O_WRONLY);
    util::pwrite_full(fd.get(), view_, 0, "blob");
    util::fsync_fd(fd.get(), "blob");
  }
  std::string mounted_content() {
    std::ostringstream text;
    text << std::ifstream(at("mnt") / "numbers").rdbuf();
    return text.str();
  }
  static bool is_one_line(const std::string& text) {
    return !text.empty() && text.find('\n') == text.size() - 1;
  }

  test::TemporaryDirectory directory_;
  test::ImageSource image_;
  std::vector<oci::Descriptor> layers_;
  util::Buffer view_;
  std::string content_;
  std::string manifest_;
  std::string out_;
  std::string err_;
};

#define SKIP_UNLESS_MOUNTABLE()                                 \
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";  \
  if (!mount::has_erofs() || !mount::has_file_backed_version()) \
  GTEST_SKIP() << "this kernel has no file-backed EROFS mounts"

TEST_F(Blobctl, HelpAndVersionGoToStandardOutput) {
  EXPECT_EQ(run({"--help"}), 0);
  for (const char* command : {"prepare", "mount", "umount", "status", "inspect", "serve"}) {
    EXPECT_EQ(run({"--help"}), 0);
    EXPECT_NE(out_.find(command), std::string::npos) << command;
    EXPECT_EQ(run({command, "--help"}), 0);
    EXPECT_NE(out_.find(command), std::string::npos);
    EXPECT_EQ(run({command, "--version"}), 0);
    EXPECT_EQ(out_.substr(0, 8), "blobctl ");
  }
}

TEST_F(Blobctl, WrongUsageIsOneLineAndTwo) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{},
        {"nonsense"},
        {"prepare", "app:1"},
        {"prepare", "--store", "x"},
        {"prepare", "--store", "a", "--registry", "b", "app:1"},
        {"mount", "app:1"},
        {"status", "--what"}}) {
    EXPECT_EQ(run(args), 2);
    EXPECT_TRUE(is_one_line(err_)) << err_;
    EXPECT_EQ(out_, "");
  }
}

TEST_F(Blobctl, PreparePrintsTheDigestAloneAndAgainTheSame) {
  EXPECT_EQ(prepare(), 0) << err_;
  EXPECT_EQ(out_, manifest_ + "\n");
  EXPECT_EQ(prepare(), 0) << err_;
  EXPECT_EQ(out_, manifest_ + "\n");
  EXPECT_EQ(err_, "");
  EXPECT_EQ(prepare(manifest_), 0) << err_;
}

TEST_F(Blobctl, PrepareOfAnUnknownImageNamesWhatTheStoreHas) {
  EXPECT_EQ(prepare("other:2"), 1);
  EXPECT_TRUE(is_one_line(err_)) << err_;
  EXPECT_NE(err_.find("other:2"), std::string::npos);
  EXPECT_NE(err_.find("'app:1'"), std::string::npos) << err_;
}

TEST_F(Blobctl, PrepareFromWhatIsNoStoreIsOneLine) {
  EXPECT_EQ(run({"prepare", "--store", at("tree"), "app:1", "--cache", at("cache")}), 1);
  EXPECT_TRUE(is_one_line(err_)) << err_;
}

TEST_F(Blobctl, PrepareRefusesAManifestThatDoesNotFitTheDeviceTable) {
  test::add_image(image_, "no-device", {layers_.back()});
  // mkfs.erofs 1.5 leaves the slot's fields zero: write them as newer tools do.
  // Source: Linux fs/erofs/erofs_fs.h.
  const util::Buffer boot = util::read_file(at("boot"), 1 << 26);
  const std::size_t slot = (boot.at(1024 + 88) + 256u * boot.at(1024 + 89)) * 128u;
  const auto device =
      test::make_device(image_, test::pattern(4096, 5), true, IndexKind::kStandalone);
  util::Buffer larger = boot;
  larger.at(slot + 64) = 2;  // blocks_lo
  util::Buffer tagged = boot;
  const std::string tag = hash::sha256({}).hex();
  std::copy(tag.begin(), tag.end(), tagged.begin() + static_cast<std::ptrdiff_t>(slot));
  for (const auto& [name, bytes] : {std::pair("small-blob", larger), std::pair("tag", tagged)}) {
    auto layers = device;
    layers.push_back(test::make_bootstrap(image_, bytes, false));
    test::add_image(image_, name, layers);
  }
  write_store();
  for (const char* name : {"no-device", "small-blob", "tag"}) {
    EXPECT_EQ(prepare(name), 1) << name;
    EXPECT_NE(err_.find("device table"), std::string::npos) << err_;
    EXPECT_EQ(run({"status", name, "--cache", at("cache")}), 1) << name;
  }
}

TEST_F(Blobctl, StatusTellsLazyAndComplete) {
  ASSERT_EQ(prepare(), 0);
  ASSERT_EQ(run({"status", "--json", "--cache", at("cache")}), 0) << err_;
  json status = json::parse(out_);
  EXPECT_FALSE(status["demandd"].get<bool>());
  ASSERT_EQ(status["images"].size(), 1u);
  EXPECT_EQ(status["images"][0]["digest"], manifest_);
  EXPECT_EQ(status["images"][0]["names"], json::array({"app:1"}));
  EXPECT_EQ(status["images"][0]["state"], "lazy");
  EXPECT_EQ(status["images"][0]["blobs"][0]["bytes_present"], 0);
  EXPECT_EQ(status["images"][0]["blobs"][0]["bytes_total"], view_.size());
  EXPECT_EQ(status["images"][0]["bootstrap"]["state"], "complete");
  fill();
  ASSERT_EQ(run({"status", manifest_, "--json", "--cache", at("cache")}), 0);
  status = json::parse(out_);
  EXPECT_EQ(status["images"][0]["state"], "complete");
  EXPECT_EQ(status["totals"]["bytes_present"], status["totals"]["bytes_total"]);
  EXPECT_EQ(run({"status", "--cache", at("cache")}), 0);
  EXPECT_NE(out_.find("complete"), std::string::npos);
}

TEST_F(Blobctl, StatusOfABrokenImageIsToldAndOne) {
  ASSERT_EQ(prepare(), 0);
  const cache::CacheRoot root(at("cache"));
  std::filesystem::remove(root.open_image(*root.resolve("app:1")).blobs[0].backing_file);
  EXPECT_EQ(run({"status", "--json", "--cache", at("cache")}), 1);
  EXPECT_EQ(json::parse(out_)["images"][0]["state"], "broken");
  EXPECT_EQ(json::parse(out_)["images"][0]["names"], json::array({"app:1"}));
  EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 1);
  EXPECT_NE(err_.find("missing"), std::string::npos) << err_;
}

TEST_F(Blobctl, PrepareRefusesACacheWhoseDirectoriesAreNone) {
  ASSERT_EQ(prepare(), 0);
  const auto fan = at("cache") / "cache" / "Ierofs,ondemand" / "@03";
  std::filesystem::remove_all(fan);
  std::ofstream(fan) << "a file";
  EXPECT_EQ(prepare(), 1);
  EXPECT_NE(err_.find("@03: create directory: something else"), std::string::npos) << err_;
  EXPECT_EQ(run({"doctor", "--cache", ""}), 2);
}

TEST_F(Blobctl, StatusOfAnEmptyCacheIsEmptyAndOfNoneAnError) {
  EXPECT_EQ(run({"status", "--json", "--cache", at("cache")}), 1);
  EXPECT_TRUE(is_one_line(err_)) << err_;
  std::filesystem::create_directory(at("cache"));
  EXPECT_EQ(run({"status", "--json", "--cache", at("cache")}), 0) << err_;
  EXPECT_TRUE(json::parse(out_)["images"].empty());
}

TEST_F(Blobctl, MountOfALazyImageWithoutDaemonIsRefusedInOneLine) {
  ASSERT_EQ(prepare(), 0);
  EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 1);
  EXPECT_TRUE(is_one_line(err_)) << err_;
  EXPECT_NE(err_.find("no demandd serves this cache"), std::string::npos) << err_;
  EXPECT_TRUE(std::filesystem::is_empty(at("mnt")));
}

TEST_F(Blobctl, MountOfPreallocatedBackingFilesIsRefused) {
  ASSERT_EQ(prepare(), 0);
  const cache::CacheRoot root(at("cache"));
  const auto file = root.open_image(*root.resolve("app:1")).blobs[0].backing_file;
  const util::Fd fd = util::open_file(file, O_WRONLY);
  if (::fallocate(fd.get(), 0, 0, static_cast<off_t>(view_.size())) != 0)
    GTEST_SKIP() << "no fallocate here";
  EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 1);
  EXPECT_NE(err_.find("never written"), std::string::npos) << err_;
}

TEST_F(Blobctl, CompleteImageMountsWithoutDaemonAndUnmountsByNameAndPlace) {
  SKIP_UNLESS_MOUNTABLE();
  ASSERT_EQ(prepare(), 0);
  fill();
  ASSERT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 0) << err_;
  EXPECT_EQ(mounted_content(), content_);
  ASSERT_EQ(run({"status", "--json", "--cache", at("cache")}), 0);
  EXPECT_EQ(json::parse(out_)["images"][0]["mounts"], json::array({at("mnt").native()}));
  EXPECT_EQ(run({"umount", "app:1", "--cache", at("cache")}), 0) << err_;
  EXPECT_TRUE(std::filesystem::is_empty(at("mnt")));
  EXPECT_EQ(run({"umount", "app:1", "--cache", at("cache")}), 1);
  ASSERT_EQ(run({"mount", manifest_, at("mnt"), "--cache", at("cache")}), 0) << err_;
  EXPECT_EQ(run({"umount", at("mnt"), "--cache", at("cache")}), 0) << err_;
  EXPECT_TRUE(std::filesystem::is_empty(at("mnt")));
}

TEST_F(Blobctl, MountedImageWhoseFileIsMissingIsShownAndUnmountsByName) {
  SKIP_UNLESS_MOUNTABLE();
  ASSERT_EQ(prepare(), 0);
  fill();
  ASSERT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 0) << err_;
  const cache::CacheRoot root(at("cache"));
  std::filesystem::remove(root.open_image(*root.resolve("app:1")).blobs[0].backing_file);
  EXPECT_EQ(run({"status", "--json", "--cache", at("cache")}), 1);
  const json image = json::parse(out_)["images"][0];
  EXPECT_EQ(image["state"], "broken");
  EXPECT_EQ(image["mounts"], json::array({at("mnt").native()}));
  EXPECT_EQ(run({"status", "--cache", at("cache")}), 1);
  for (const std::string& line :
       {std::string("  name app:1\n"), "  mounted on " + at("mnt").native() + "\n"})
    EXPECT_NE(out_.find(line), std::string::npos) << out_;
  EXPECT_EQ(run({"umount", "app:1", "--cache", at("cache")}), 0) << err_;
  EXPECT_TRUE(std::filesystem::is_empty(at("mnt")));
}

TEST_F(Blobctl, LazyImageMountsOnceADaemonTookCharge) {
  SKIP_UNLESS_MOUNTABLE();
  ASSERT_EQ(prepare(), 0);
  control::Request registration;
  const control::Server daemon(at("cache"), [&](const control::Request& request) {
    if (request.op != "register") return std::string(R"({"ok":true})");
    registration = request;
    fill();
    return std::string(R"({"ok":true,"transport":"fanotify"})");
  });
  ASSERT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 0) << err_;
  EXPECT_EQ(registration.image, manifest_);
  EXPECT_EQ(mounted_content(), content_);
  EXPECT_EQ(run({"umount", at("mnt"), "--cache", at("cache")}), 0) << err_;
}

TEST_F(Blobctl, DaemonThatRefusesMeansNoMount) {
  ASSERT_EQ(prepare(), 0);
  const control::Server daemon(at("cache"), [](const control::Request&) {
    return std::string(R"({"ok":false,"error":"blob: watch: too many marks"})");
  });
  EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 1);
  EXPECT_NE(err_.find("too many marks"), std::string::npos) << err_;
}

TEST_F(Blobctl, NewCacheIsMarkedForTheDemandDeviceWhereThatExists) {
  ASSERT_EQ(prepare(), 0) << err_;
  EXPECT_EQ(cache::read_mark(at("cache") / "cache") == cache::CacheMark::kDemand,
            ::access("/dev/cachefiles_demand", F_OK) == 0);
}

TEST_F(Blobctl, NewCacheIsMarkedForTheDemandDeviceWhenItIsForThat) {
  ASSERT_EQ(run({"prepare", "--store", at("store"), "app:1", "--cache", at("cache"), "--for",
                 "cachefiles-demand"}),
            0)
      << err_;
  EXPECT_EQ(cache::read_mark(at("cache") / "cache"), cache::CacheMark::kDemand);
  EXPECT_TRUE(std::filesystem::is_directory(at("cache") / "graveyard"));
  EXPECT_EQ(run({"prepare", "--store", at("store"), "app:1", "--cache", at("cache"), "--for",
                 "cachefiles"}),
            1);
  EXPECT_TRUE(is_one_line(err_)) << err_;
  EXPECT_NE(err_.find("setfattr -x"), std::string::npos) << err_;
  ASSERT_EQ(run({"prepare", "--store", at("store"), "app:1", "--cache", at("other"), "--for",
                 "cachefiles"}),
            0)
      << err_;
  EXPECT_EQ(cache::read_mark(at("other") / "cache"), cache::CacheMark::kNone);
  EXPECT_EQ(run({"prepare", "--store", at("store"), "app:1", "--cache", at("other")}), 0) << err_;
  EXPECT_EQ(cache::read_mark(at("other") / "cache"), cache::CacheMark::kNone);
  EXPECT_EQ(run({"prepare", "--store", at("store"), "app:1", "--cache", at("other"), "--for",
                 "cachefiles-demand"}),
            0)
      << err_;
  EXPECT_EQ(cache::read_mark(at("other") / "cache"), cache::CacheMark::kDemand);
  EXPECT_EQ(run({"prepare", "--store", at("store"), "app:1", "--for", "floppy"}), 2);
}

TEST_F(Blobctl, CacheThatMainlineServesIsNotMarked) {
  ASSERT_EQ(run({"prepare", "--store", at("store"), "app:1", "--cache", at("cache"), "--for",
                 "cachefiles"}),
            0)
      << err_;
  const control::Server daemon(at("cache"), [](const control::Request&) {
    return std::string(R"({"ok":true,"transport":"cachefiles"})");
  });
  EXPECT_EQ(run({"prepare", "--store", at("store"), "app:1", "--cache", at("cache"), "--for",
                 "cachefiles-demand"}),
            1);
  EXPECT_NE(err_.find("stop it first"), std::string::npos) << err_;
  EXPECT_EQ(cache::read_mark(at("cache") / "cache"), cache::CacheMark::kNone);
}

TEST_F(Blobctl, MountGoesTheWayThatTheDaemonHasTaken) {
  ASSERT_EQ(prepare(), 0) << err_;
  const control::Server daemon(at("cache"), [](const control::Request&) {
    return std::string(R"({"ok":true,"transport":"cachefiles-demand"})");
  });
  EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache"), "--transport", "fanotify"}),
            1);
  EXPECT_NE(err_.find("demandd serves this cache through cachefiles-demand"), std::string::npos)
      << err_;
  EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache"), "--transport", "tape"}), 2);
  if (::access("/dev/cachefiles_demand", F_OK) == 0) return;  // the tests in the guest go on here
  // No daemon has bound anything: whatever this kernel can, the mount fails, and says so.
  EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 1);
  EXPECT_TRUE(is_one_line(err_)) << err_;
  EXPECT_NE(err_.find("fsid "), std::string::npos) << err_;
  EXPECT_TRUE(std::filesystem::is_empty(at("mnt")));
}

// The status call finds nobody that says how it serves, as when no demandd ran yet.
TEST_F(Blobctl, MountOfALazyImageIsRefusedWhereTheDaemonThatRegistersServesAnotherWay) {
  ASSERT_EQ(prepare(), 0) << err_;
  for (const char* reply : {R"({"ok":true,"transport":"cachefiles-demand"})",
                            R"({"ok":true,"transport":"cachefiles"})", R"({"ok":true})"}) {
    const control::Server daemon(at("cache"), [&](const control::Request& request) {
      return request.op == "register" ? std::string(reply) : std::string(R"({"ok":true})");
    });
    EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 1);
    EXPECT_TRUE(is_one_line(err_)) << err_;
    EXPECT_NE(err_.find("mount through fanotify: demandd serves"), std::string::npos) << err_;
    EXPECT_TRUE(std::filesystem::is_empty(at("mnt")));
  }
}

TEST_F(Blobctl, MountIsTakenBackWhenAnotherDaemonHasComeMeanwhile) {
  SKIP_UNLESS_MOUNTABLE();
  ASSERT_EQ(prepare(), 0);
  int registered = 0;
  const control::Server daemon(at("cache"), [&](const control::Request& request) {
    if (request.op != "register") return std::string(R"({"ok":true})");
    return std::string(registered++ == 0 ? R"({"ok":true,"transport":"fanotify"})"
                                         : R"({"ok":true,"transport":"cachefiles"})");
  });
  EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 1);
  EXPECT_NE(err_.find("demandd serves this cache through cachefiles"), std::string::npos) << err_;
  EXPECT_EQ(registered, 2);
  EXPECT_TRUE(std::filesystem::is_empty(at("mnt")));
}

TEST_F(Blobctl, MountOverFscacheChecksWhatTheKernelWouldFindTooLate) {
  ASSERT_EQ(prepare(), 0) << err_;
  const control::Server daemon(at("cache"), [](const control::Request&) {
    return std::string(R"({"ok":true,"transport":"cachefiles-demand"})");
  });
  const auto refusal = [&] {
    EXPECT_EQ(run({"mount", "app:1", at("mnt"), "--cache", at("cache")}), 1);
    EXPECT_TRUE(is_one_line(err_)) << err_;
    return err_;
  };
  const cache::CacheRoot root(at("cache"));
  const auto image = root.open_image(*root.resolve("app:1"));
  const auto blob = image.blobs[0].backing_file;
  ASSERT_EQ(::removexattr(blob.c_str(), cache::kCacheXattr), 0);
  EXPECT_NE(refusal().find("has no attribute"), std::string::npos);
  ASSERT_EQ(prepare(), 0) << err_;  // mends it

  ASSERT_EQ(::setxattr(blob.c_str(), cache::kCacheXattr, "12345678901234567890", 20, 0), 0);
  EXPECT_NE(refusal().find("has no attribute"), std::string::npos);
  ASSERT_EQ(prepare(), 0) << err_;

  const auto volume = root.cache_directory() / "Ierofs,ondemand";
  ASSERT_EQ(::removexattr(volume.c_str(), cache::kCacheXattr), 0);
  EXPECT_NE(refusal().find("volume erofs,ondemand"), std::string::npos);
}

TEST_F(Blobctl, TheMarkCountsOnlyWhereNoDaemonHasBoundTheCache) {
  ASSERT_EQ(run({"prepare", "--store", at("store"), "app:1", "--cache", at("cache"), "--for",
                 "cachefiles-demand"}),
            0)
      << err_;
  const std::vector<std::string> mount{"mount",     "app:1",       at("mnt"),   "--cache",
                                       at("cache"), "--transport", "cachefiles"};
  EXPECT_EQ(run(mount), 1);
  EXPECT_NE(err_.find("marked for cachefiles-demand"), std::string::npos) << err_;
  // A kernel without the series binds a marked cache through mainline's device.
  const control::Server daemon(at("cache"), [](const control::Request&) {
    return std::string(R"({"ok":true,"transport":"cachefiles"})");
  });
  EXPECT_EQ(run(mount), 1);  // as nobody has really bound it
  EXPECT_EQ(err_.find("marked for"), std::string::npos) << err_;
}

TEST_F(Blobctl, DoctorTellsOfEveryTransportAndLeavesNothing) {
  const int status = run({"doctor", "--cache", at("nowhere")});
  EXPECT_FALSE(std::filesystem::exists(at("nowhere")));
  EXPECT_EQ(err_, "");
  EXPECT_TRUE(status == 0 || status == 1);
  for (const char* word : {"kernel ", "transports", "cachefiles-demand", "fanotify"})
    EXPECT_NE(out_.find(word), std::string::npos) << word;
  EXPECT_EQ(run({"doctor", "--json", "--cache", at("nowhere")}), status);
  const json report = json::parse(out_);
  bool ready = false;
  for (const json& transport : report["transports"]) {
    ready = ready || transport["ready"];
    EXPECT_EQ(transport["ready"].get<bool>(), transport["problems"].empty());
  }
  EXPECT_EQ(ready, status == 0);
  EXPECT_EQ(report["kernel"]["devices"].size(), 2u);
}

TEST_F(Blobctl, InspectShowsEveryFieldOfEachKind) {
  ASSERT_EQ(prepare(), 0);
  const cache::CacheRoot root(at("cache"));
  const auto image = root.open_image(*root.resolve("app:1"));
  ASSERT_EQ(run({"inspect", "--json", image.bootstrap}), 0) << err_;
  json report = json::parse(out_);
  EXPECT_EQ(report["type"], "bootstrap");
  EXPECT_EQ(report["superblock"]["blkszbits"], 12);
  EXPECT_EQ(report["devices"].size(), 1u);
  ASSERT_EQ(run({"inspect", "--json", image.blobs[0].chunk_index}), 0) << err_;
  report = json::parse(out_);
  EXPECT_EQ(report["header"]["uncompressed_size"], view_.size());
  EXPECT_EQ(report["frames"].size(), report["header"]["num_chunks"].get<std::size_t>());
  ASSERT_EQ(run({"inspect", "--json", "app:1", "--cache", at("cache")}), 0) << err_;
  report = json::parse(out_);
  EXPECT_EQ(report["manifest"]["digest"], manifest_);
  EXPECT_EQ(report["layers"].size(), 3u);
  ASSERT_EQ(run({"inspect", "app:1", "--store", at("store")}), 0) << err_;
  EXPECT_NE(out_.find(manifest_), std::string::npos);
  ASSERT_EQ(run({"inspect", "--json", image.bootstrap, "--path", "/numbers"}), 0) << err_;
  EXPECT_FALSE(json::parse(out_)["extents"].empty());
}

TEST_F(Blobctl, InspectSurvivesAFileThatIsCutMeanwhile) {
  const util::Buffer whole = util::read_file(at("boot"), 1 << 26);
  std::atomic<bool> is_done = false;
  std::thread cutter([&] {
    const util::Fd fd = util::open_file(at("boot"), O_WRONLY);
    while (!is_done) {
      EXPECT_EQ(::ftruncate(fd.get(), 0), 0);
      util::pwrite_full(fd.get(), whole, 0, "boot");
    }
  });
  for (int i = 0; i < 1000; ++i)
    EXPECT_LE(run({"inspect", at("boot")}), 1) << err_;
  is_done = true;
  cutter.join();
}

TEST_F(Blobctl, InspectOfSomethingElseIsOneLine) {
  EXPECT_EQ(run({"inspect", at("tree") / "numbers"}), 1);
  EXPECT_TRUE(is_one_line(err_)) << err_;
  EXPECT_EQ(run({"inspect", "nothing", "--cache", at("cache")}), 1);
  EXPECT_TRUE(is_one_line(err_)) << err_;
}

}  // namespace
}  // namespace ondemand::blobctl
