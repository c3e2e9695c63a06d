// SPDX-License-Identifier: Apache-2.0
//
// The demand mode of the simulated kernel, against its documentation
// (kernel-patches, Documentation/filesystems/caching/cachefiles-demand.rst).
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <thread>

#include "cachefiles/demand_message.h"
#include "unit/simulate/machine.h"

namespace ondemand::simulate {
namespace {

using cachefiles::DemandMessage;
using test::content;
using test::kBlobSize;
using test::kBootSize;

class Demand : public test::Machine {
 protected:
  // Prepared, bound and mounted, with the bootstrap complete.
  void begin(std::uint64_t blob_size = kBlobSize) {
    start(Traits{});
    prepare("boot", kBootSize);
    prepare("blob", blob_size);
    cache::ensure_mark(root_ / "cache", cache::CacheUse::kCachefilesDemand);
    fill(file("boot"), 0, kBootSize);
    ASSERT_EQ(open(Node::kDemand), 0);
    ASSERT_EQ(bind(), 0);
    ASSERT_EQ(mount(), 0);
  }
  int mount() {
    auto mounted = kernel_->mount({"boot", "", {"blob"}});
    mount_ = std::move(mounted.mount);
    return mounted.error;
  }
  DemandMessage take() {
    const util::Buffer bytes = next();
    if (bytes.empty()) throw std::runtime_error("no message came");
    return cachefiles::decode_demand_message(bytes);
  }
  int done(const DemandMessage& message) {
    return device_->command("done " + std::to_string(message.id));
  }
  void serve(const DemandMessage& message) {
    fill(root_ / "cache" / message.path, message.range.offset, message.range.len);
    EXPECT_EQ(done(message), 0);
  }
};

TEST_F(Demand, HoleBecomesAMessageAndTheAnswerData) {
  begin();
  auto reading = read_behind("blob", 4096, 8192);
  const DemandMessage message = take();
  EXPECT_EQ(message.id, 1u);
  EXPECT_EQ(message.op, 1u);
  EXPECT_EQ(message.range, (util::ByteRange{4096, 8192}));
  EXPECT_EQ(message.object_size, kBlobSize);
  EXPECT_EQ(root_ / "cache" / message.path, file("blob"));
  EXPECT_FALSE(message.is_repeated);
  serve(message);
  const ReadResult result = reading.get();
  EXPECT_EQ(result.error, 0);
  EXPECT_EQ(result.bytes, content(4096, 8192));
  // What is there is never asked for again.
  EXPECT_EQ(mount_->read("blob", 5000, 100).bytes, content(5000, 100));
  EXPECT_FALSE(readable(0));
  EXPECT_EQ(read_now(), 0);
}

TEST_F(Demand, NothingIsMadeUp) {
  begin();
  auto reading = read_behind("blob", 0, 65536);
  EXPECT_EQ(done(take()), 0);  // nothing written
  EXPECT_EQ(reading.get().error, EIO);
  reading = read_behind("blob", 0, 65536);
  const DemandMessage message = take();
  fill(file("blob"), 32768, 32768);  // not from the start on
  EXPECT_EQ(done(message), 0);
  EXPECT_EQ(reading.get().error, EIO);
  reading = read_behind("blob", 0, 65536);
  const DemandMessage half = take();
  EXPECT_EQ(half.range, (util::ByteRange{0, 32768}));  // ends where data begins
  serve(half);
  EXPECT_EQ(reading.get().bytes, content(0, 65536));
}

TEST_F(Demand, RestOfARangeBecomesAnotherRequest) {
  begin();
  auto reading = read_behind("blob", 0, 65536);
  const DemandMessage first = take();
  fill(file("blob"), 0, 20480);
  EXPECT_EQ(done(first), 0);
  const DemandMessage second = take();
  EXPECT_EQ(second.range, (util::ByteRange{20480, 45056}));
  serve(second);
  EXPECT_EQ(reading.get().bytes, content(0, 65536));
}

TEST_F(Demand, FailedRequestIsAnErrorOfTheReader) {
  begin();
  auto reading = read_behind("blob", 0, 4096);
  const DemandMessage message = take();
  EXPECT_EQ(device_->command("fail " + std::to_string(message.id) + ",110"), 0);
  EXPECT_EQ(reading.get().error, EIO);
  EXPECT_EQ(done(message), EINVAL);
}

TEST_F(Demand, BufferThatIsTooSmallTakesNothing) {
  begin();
  auto reading = read_behind("blob", 0, 4096);
  ASSERT_TRUE(readable());
  EXPECT_EQ(read_now(56), -EMSGSIZE);
  EXPECT_TRUE(readable(0));
  serve(take());
  EXPECT_EQ(reading.get().error, 0);
}

TEST_F(Demand, RestoreGivesTakenRequestsFirstInOrderAndMarked) {
  begin();
  std::vector<Reading> readings;
  std::vector<DemandMessage> taken;
  for (std::uint64_t i = 0; i < 3; ++i) {
    readings.push_back(read_behind("blob", i * 65536, 4096));
    taken.push_back(take());
  }
  readings.push_back(read_behind("blob", 3 * 65536, 4096));
  ASSERT_TRUE(readable());
  EXPECT_EQ(device_->command("restore"), 0);
  for (const DemandMessage& before : taken) {
    DemandMessage again = take();
    EXPECT_TRUE(again.is_repeated);
    again.is_repeated = false;
    EXPECT_EQ(again, before);
    serve(again);
  }
  const DemandMessage last = take();
  EXPECT_EQ(last.id, 4u);
  EXPECT_FALSE(last.is_repeated);
  serve(last);
  for (Reading& reading : readings)
    EXPECT_EQ(reading.get().error, 0);
}

TEST_F(Demand, AnAnswerThatCrossesRestoreCountsOnce) {
  begin();
  auto reading = read_behind("blob", 0, 4096);
  ASSERT_TRUE(readable());
  EXPECT_EQ(device_->command("done 1"), EINVAL);  // a guess
  const DemandMessage message = take();
  EXPECT_EQ(device_->command("restore"), 0);
  serve(message);
  EXPECT_EQ(reading.get().error, 0);
  EXPECT_EQ(done(message), EINVAL);
  EXPECT_EQ(read_now(), 0);
}

TEST_F(Demand, KilledReaderTakesItsRequestBack) {
  begin();
  for (const bool read_it : {false, true}) {
    Reader reader(*kernel_);
    auto reading = read_behind("blob", 0, 4096, &reader);
    ASSERT_TRUE(readable());
    DemandMessage message;
    if (read_it) message = take();
    reader.kill();
    EXPECT_EQ(reading.get().error, EINTR);
    EXPECT_FALSE(readable(0));
    if (read_it) {
      EXPECT_EQ(done(message), EINVAL);
    }
  }
  EXPECT_EQ(device_->command("restore"), 0);
  EXPECT_EQ(read_now(), 0);
}

TEST_F(Demand, EndOfTheDeviceEndsAllWaiters) {
  begin();
  std::vector<Reading> readings;
  for (std::uint64_t i = 0; i < 4; ++i) {
    readings.push_back(read_behind("blob", i * 65536, 4096));
    if (i < 2) take();
  }
  auto keeper = kernel_->duplicate(*device_);
  device_ = std::move(keeper);  // the first owner is gone, nobody has noticed
  ASSERT_TRUE(readable());
  device_.reset();
  for (Reading& reading : readings)
    EXPECT_EQ(reading.get().error, EIO);
  // The mount does not come back, whoever binds the cache next.
  ASSERT_EQ(open(Node::kDemand), 0);
  ASSERT_EQ(bind(), 0);
  EXPECT_EQ(mount_->read("blob", 0, 4096).error, EIO);
  EXPECT_EQ(kernel_->mount({"boot", "", {}}).error, EBUSY);
  mount_.reset();
  ASSERT_EQ(mount(), 0);
  auto reading = read_behind("blob", 0, 4096);
  serve(take());
  EXPECT_EQ(reading.get().error, 0);
}

TEST_F(Demand, EachRequestGoesToOneOfManyThreads) {
  begin();
  std::atomic<bool> stop{false};
  std::atomic<int> served{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      util::Buffer buffer(1024);
      while (!stop) {
        pollfd wait{device_->poll_fd(), POLLIN, 0};
        ::poll(&wait, 1, 10);
        const auto got = device_->read(buffer);
        if (got.bytes == 0) continue;
        serve(cachefiles::decode_demand_message(util::Bytes(buffer).first(got.bytes)));
        ++served;
      }
    });
  }
  std::vector<Reading> readings;
  for (std::uint64_t i = 0; i < 16; ++i)
    readings.push_back(read_behind("blob", i * 65536, 65536));
  for (std::uint64_t i = 0; i < 16; ++i)
    EXPECT_EQ(readings[i].get().bytes, content(i * 65536, 65536));
  stop = true;
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(served, 16);
}

TEST_F(Demand, OldMessagesHave280Bytes) {
  start(Traits{});
  prepare("boot", kBootSize);
  cache::ensure_mark(root_ / "cache", cache::CacheUse::kCachefilesDemand);
  ASSERT_EQ(open(Node::kDemand), 0);
  EXPECT_EQ(device_->command("compat"), 0);
  ASSERT_EQ(bind(), 0);
  auto mounting = std::async(std::launch::async, [&] { return kernel_->mount({"boot", "", {}}); });
  ASSERT_TRUE(readable());
  EXPECT_EQ(read_now(279), -EMSGSIZE);
  const util::Buffer bytes = next();
  ASSERT_EQ(bytes.size(), 280u);
  const auto message = cachefiles::decode_compat_message(bytes);
  EXPECT_EQ(message.name, "Dboot");
  EXPECT_EQ(message.range, (util::ByteRange{0, 4096}));
  fill(file("boot"), 0, kBootSize);
  EXPECT_EQ(device_->command("done " + std::to_string(message.id)), 0);
  EXPECT_EQ(mounting.get().error, 0);
}

TEST_F(Demand, OddSizeIsTakenTwiceAndTheFileExtendedOnce) {
  begin(10'000);
  EXPECT_EQ(std::filesystem::file_size(file("blob")), 12'288u);
  auto reading = read_behind("blob", 8192, 4096);
  const DemandMessage message = take();
  EXPECT_EQ(message.object_size, 10'000u);
  EXPECT_EQ(message.range, (util::ByteRange{8192, 4096}));
  serve(message);
  EXPECT_EQ(reading.get().bytes.size(), 10'000u - 8192);
  mount_.reset();
  std::filesystem::resize_file(file("blob"), 10'000);  // as never looked up, and complete there
  ASSERT_EQ(mount(), 0);
  EXPECT_EQ(std::filesystem::file_size(file("blob")), 12'288u);
  EXPECT_EQ(mount_->read("blob", 8192, 4096).error, 0);
}

TEST_F(Demand, FileInUseIsNeitherCulledNorUsedTwice) {
  begin();
  const auto directory = file("blob").parent_path();
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory);
  EXPECT_EQ(device_->command("inuse Dblob"), EBUSY);
  EXPECT_EQ(device_->command("cull Dblob"), EBUSY);
  EXPECT_EQ(device_->command("inuse nothing"), ENOENT);
  // A hard link in another volume is the same file.
  cache::ensure_cookie_file(root_, {"erofs,other", "other", kBootSize});
  fill(cache::cookie_path(root_, {"erofs,other", "other", 1}), 0, kBootSize);
  const auto link = cache::cookie_path(root_, {"erofs,other", "blob", 1});
  std::filesystem::create_hard_link(file("blob"), link);
  auto other = kernel_->mount({"other", "", {"blob"}});
  ASSERT_EQ(other.error, 0);
  EXPECT_EQ(other.mount->read("blob", 0, 4096).error, EIO);
  other.mount.reset();
  mount_.reset();
  EXPECT_EQ(device_->command("inuse Dblob"), 0);
  EXPECT_EQ(device_->command("cull Dblob"), 0);
  EXPECT_FALSE(std::filesystem::exists(file("blob")));
  std::filesystem::current_path(before);
}

struct Spoil {
  const char* name;
  bool mounts;  // only the blob is wrong
  std::function<void(const std::filesystem::path& boot, const std::filesystem::path& blob,
                     const std::filesystem::path& volume)>
      apply;
};

void set_value(const std::filesystem::path& path, const std::string& value) {
  ASSERT_EQ(::setxattr(path.c_str(), cache::kCacheXattr, value.data(), value.size(), 0), 0);
}

void set_byte(const std::filesystem::path& path, std::size_t at, char byte) {
  std::string value(18, '\0');
  ASSERT_EQ(::getxattr(path.c_str(), cache::kCacheXattr, value.data(), value.size()), 18);
  value[at] = byte;
  set_value(path, value);
}

using Path = std::filesystem::path;

const Spoil kSpoils[] = {
    {"no bootstrap", false, [](const Path& boot, auto&, auto&) { std::filesystem::remove(boot); }},
    {"no blob", true, [](auto&, const Path& blob, auto&) { std::filesystem::remove(blob); }},
    {"no fan", true,
     [](auto&, const Path& blob, auto&) { std::filesystem::remove_all(blob.parent_path()); }},
    {"no volume", false, [](auto&, auto&, const Path& v) { std::filesystem::remove_all(v); }},
    {"volume without attribute", false,
     [](auto&, auto&, const Path& v) { ::removexattr(v.c_str(), cache::kCacheXattr); }},
    {"volume attribute short", false,
     [](auto&, auto&, const Path& v) { set_value(v, std::string(2, '\0')); }},
    {"volume attribute wrong", false,
     [](auto&, auto&, const Path& v) { set_value(v, std::string("\0\0\0\1", 4)); }},
    {"bootstrap without attribute", false,
     [](const Path& boot, auto&, auto&) { ::removexattr(boot.c_str(), cache::kCacheXattr); }},
    {"blob without attribute", true,
     [](auto&, const Path& blob, auto&) { ::removexattr(blob.c_str(), cache::kCacheXattr); }},
    {"attribute short", false, [](const Path& b, auto&, auto&) { set_value(b, "12345678"); }},
    {"attribute long", false,
     [](const Path& b, auto&, auto&) { set_value(b, "12345678901234567890"); }},
    {"wrong type", false, [](const Path& b, auto&, auto&) { set_byte(b, 16, 2); }},
    {"dirty", false, [](const Path& b, auto&, auto&) { set_byte(b, 17, 4); }},
    {"size 0", false,
     [](const Path& b, auto&, auto&) {
       std::filesystem::resize_file(b, 0);
       set_byte(b, 6, 0);  // 12288 = 0x3000
     }},
    {"empty file", false, [](const Path& b, auto&, auto&) { std::filesystem::resize_file(b, 0); }},
    {"wrong size", false, [](const Path& b, auto&, auto&) { set_byte(b, 6, 0x40); }},
    {"huge size", false, [](const Path& b, auto&, auto&) { set_byte(b, 0, '\xff'); }},
    {"blob of wrong size", true, [](auto&, const Path& b, auto&) { set_byte(b, 6, 0x10); }},
    {"directory", false,
     [](const Path& b, auto&, auto&) {
       std::filesystem::remove(b);
       std::filesystem::create_directory(b);
     }},
    {"fifo", true,
     [](auto&, const Path& b, auto&) {
       std::filesystem::remove(b);
       ::mkfifo(b.c_str(), 0600);
     }},
};

std::vector<Path> tree(const Path& root) {
  std::vector<Path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST_F(Demand, WrongPreparationIsRefusedAndLeftAlone) {
  for (const Spoil& spoil : kSpoils) {
    SCOPED_TRACE(spoil.name);
    root_ = directory_.path() / spoil.name;
    begin();
    mount_.reset();
    spoil.apply(file("boot"), file("blob"), root_ / "cache" / ("I" + test::kVolume));
    const auto before = tree(root_);
    EXPECT_EQ(mount(), spoil.mounts ? 0 : EIO);
    if (mount_) {
      EXPECT_EQ(mount_->read("blob", 0, 4096).error, EIO);
    }
    EXPECT_EQ(tree(root_), before);
    mount_.reset();
    device_.reset();
  }
}

TEST_F(Demand, SharedVolumeSharesItsBlobs) {
  start(Traits{});
  for (const char* key : {"one", "two"})
    cache::ensure_cookie_file(root_, {"erofs,shared", key, kBootSize});
  cache::ensure_cookie_file(root_, {"erofs,shared", "blob", kBlobSize});
  for (const char* key : {"one", "two"})
    fill(cache::cookie_path(root_, {"erofs,shared", key, 1}), 0, kBootSize);
  cache::ensure_mark(root_ / "cache", cache::CacheUse::kCachefilesDemand);
  ASSERT_EQ(open(Node::kDemand), 0);
  ASSERT_EQ(bind(), 0);
  auto one = kernel_->mount({"one", "shared", {"blob"}});
  auto two = kernel_->mount({"two", "shared", {"blob"}});
  ASSERT_EQ(one.error, 0);
  ASSERT_EQ(two.error, 0);
  EXPECT_EQ(kernel_->mount({"one", "shared", {"blob"}}).error, EEXIST);
  mount_ = std::move(one.mount);
  auto reading = read_behind("blob", 0, 4096);
  serve(take());
  EXPECT_EQ(reading.get().error, 0);
  EXPECT_EQ(two.mount->read("blob", 0, 4096).bytes, content(0, 4096));
}

}  // namespace
}  // namespace ondemand::simulate
