// SPDX-License-Identifier: Apache-2.0
//
// Mainline's on-demand mode in the simulated kernel, against doc/KERNEL.md 2.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

#include "cachefiles/ondemand_message.h"
#include "unit/simulate/machine.h"

namespace ondemand::simulate {
namespace {

using cachefiles::OndemandMessage;
using test::content;
using test::kBlobSize;
using test::kBootSize;
namespace abi = cachefiles::abi;

// As direct I/O wants it.
class AlignedBytes {
 public:
  explicit AlignedBytes(const util::Buffer& from)
      : len_(from.size()), data_(std::aligned_alloc(4096, (from.size() + 4095) / 4096 * 4096)) {
    std::copy(from.begin(), from.end(), static_cast<std::uint8_t*>(data_));
  }
  ~AlignedBytes() { std::free(data_); }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  util::Bytes bytes() const { return {static_cast<const std::uint8_t*>(data_), len_}; }

 private:
  std::size_t len_;
  void* data_;
};

class Ondemand : public test::Machine {
 protected:
  void begin(const Traits& traits = {}) {
    start(traits);
    std::filesystem::create_directories(root_);
    ASSERT_EQ(open(Node::kCachefiles), 0);
    ASSERT_EQ(bind("bind ondemand"), 0);
  }
  OndemandMessage take() {
    for (;;) {
      const util::Buffer bytes = next();
      if (!bytes.empty()) return cachefiles::decode_ondemand_message(bytes);
      throw std::runtime_error("no message came");
    }
  }
  int copen(const OndemandMessage& message, std::int64_t size) {
    return device_->command("copen " + std::to_string(message.header.message_id) + "," +
                            std::to_string(size));
  }
  int write(int fd, util::ByteRange range) {
    const AlignedBytes data(content(range.offset, range.len));
    return device_->write_object(fd, range.offset, data.bytes());
  }
  void serve(int fd, const OndemandMessage& message) {
    EXPECT_EQ(message.header.opcode, abi::kOpRead);
    EXPECT_EQ(write(fd, message.range), 0);
    EXPECT_EQ(device_->complete_read(fd, message.header.message_id), 0);
  }
  // Mounts "boot" with the blob "blob" and answers what that takes.
  void mount() {
    auto mounting = std::async(std::launch::async, [&] {
      return kernel_->mount({"boot", "", {"blob"}});
    });
    OndemandMessage open_boot = take();
    boot_fd_ = open_boot.fd;
    EXPECT_EQ(open_boot.cookie_key, "boot");
    EXPECT_EQ(copen(open_boot, kBootSize), 0);
    const OndemandMessage super = take();
    EXPECT_EQ(super.range, (util::ByteRange{0, 4096}));
    serve(boot_fd_, super);
    const OndemandMessage open_blob = take();
    EXPECT_EQ(open_blob.volume_key, "erofs,boot");
    EXPECT_EQ(open_blob.cookie_key, "blob");
    EXPECT_NE(open_blob.fd, boot_fd_);
    blob_fd_ = open_blob.fd;
    EXPECT_EQ(copen(open_blob, kBlobSize), 0);
    auto mounted = mounting.get();
    ASSERT_EQ(mounted.error, 0);
    mount_ = std::move(mounted.mount);
    // The look-up of a blob goes on behind the mount.
    while (device_->seek_object(blob_fd_, 0, SEEK_END) == -ENOBUFS)
      std::this_thread::yield();
  }
  void close_all() {
    for (const int fd : kernel_->descriptors())
      kernel_->close_descriptor(fd);
  }

  int boot_fd_ = -1;
  int blob_fd_ = -1;
};

TEST_F(Ondemand, OpenReadCloseAndTheFilesThatTheKernelMakes) {
  begin();
  mount();
  auto reading = read_behind("blob", 65536, 65536);
  const OndemandMessage message = take();
  EXPECT_EQ(message.range, (util::ByteRange{65536, 65536}));
  serve(blob_fd_, message);
  EXPECT_EQ(reading.get().bytes, content(65536, 65536));
  EXPECT_EQ(mount_->read("blob", 70000, 10).bytes, content(70000, 10));
  EXPECT_EQ(device_->seek_object(blob_fd_, 0, SEEK_DATA), 65536);
  EXPECT_EQ(device_->seek_object(blob_fd_, 0, SEEK_END), static_cast<std::int64_t>(kBlobSize));

  EXPECT_FALSE(std::filesystem::exists(file("blob")));  // linked when it is let go
  mount_.reset();
  std::vector<std::uint32_t> closed;
  for (int i = 0; i < 2; ++i) {
    const OndemandMessage close = take();
    EXPECT_EQ(close.header.opcode, abi::kOpClose);
    closed.push_back(close.header.object_id);
  }
  EXPECT_NE(closed[0], closed[1]);
  device_->close_object(boot_fd_);
  device_->close_object(blob_fd_);
  kernel_.reset();  // the workers have ended
  device_.reset();
}

TEST_F(Ondemand, SecondMountFindsWhatTheFirstHasLeft) {
  begin();
  mount();
  auto reading = read_behind("blob", 0, 4096);
  serve(blob_fd_, take());
  ASSERT_EQ(reading.get().error, 0);
  mount_.reset();
  take();
  take();
  close_all();
  auto mounting = std::async(std::launch::async, [&] {
    return kernel_->mount({"boot", "", {"blob"}});
  });
  EXPECT_EQ(copen(take(), kBootSize), 0);
  EXPECT_EQ(copen(take(), kBlobSize), 0);
  auto mounted = mounting.get();
  ASSERT_EQ(mounted.error, 0);
  EXPECT_EQ(mounted.mount->read("blob", 0, 4096).bytes, content(0, 4096));
  EXPECT_TRUE(cache::inspect_backing_file(file("blob")).has_xattr);
  mounted.mount.reset();
  take();
  take();
}

TEST_F(Ondemand, PreparedFileOfTheSameSizeIsKeptAndOneOfAnotherReplaced) {
  for (const std::uint64_t size : {kBlobSize, kBlobSize / 2}) {
    root_ = directory_.path() / std::to_string(size);
    prepare("boot", kBootSize);
    prepare("blob", size);
    fill(file("boot"), 0, kBootSize);
    fill(file("blob"), 0, 4096);
    begin();
    auto mounting = std::async(std::launch::async, [&] {
      return kernel_->mount({"boot", "", {"blob"}});
    });
    EXPECT_EQ(copen(take(), kBootSize), 0);
    const OndemandMessage open = take();
    EXPECT_EQ(copen(open, kBlobSize), 0);
    mount_ = mounting.get().mount;
    ASSERT_TRUE(mount_);
    auto reading = read_behind("blob", 0, 4096);
    if (size != kBlobSize) serve(open.fd, take());
    EXPECT_EQ(reading.get().bytes, content(0, 4096));
    mount_.reset();
    take();
    take();
    close_all();
    device_.reset();
    kernel_.reset();
    EXPECT_EQ(std::filesystem::file_size(file("blob")), kBlobSize);
  }
}

TEST_F(Ondemand, FailedOpenFailsTheMount) {
  begin();
  auto mounting = std::async(std::launch::async, [&] { return kernel_->mount({"boot", "", {}}); });
  EXPECT_EQ(copen(take(), -ENOENT), 0);
  EXPECT_EQ(mounting.get().error, EIO);
  mounting = std::async(std::launch::async, [&] { return kernel_->mount({"boot", "", {}}); });
  close_all();
  EXPECT_EQ(copen(take(), -5000), EINVAL);
  EXPECT_EQ(mounting.get().error, EIO);
  close_all();
  Traits stock;
  stock.release = Release::k6_1;
  stock.has_series = false;
  device_.reset();
  begin(stock);
  mounting = std::async(std::launch::async, [&] { return kernel_->mount({"boot", "", {}}); });
  EXPECT_EQ(copen(take(), -ENOENT), 0);
  EXPECT_EQ(mounting.get().error, ENOBUFS);
}

TEST_F(Ondemand, WriteBeforeTheLookUpIsDoneIsRefused) {
  begin();
  auto mounting = std::async(std::launch::async, [&] { return kernel_->mount({"boot", "", {}}); });
  const OndemandMessage open = take();
  EXPECT_EQ(write(open.fd, {0, 4096}), ENOBUFS);
  EXPECT_EQ(device_->seek_object(open.fd, 0, SEEK_END), -ENOBUFS);
  EXPECT_EQ(copen(open, kBootSize), 0);
  serve(open.fd, take());
  EXPECT_EQ(mounting.get().error, 0);
  take();  // CLOSE
}

TEST_F(Ondemand, WritesMustBeAligned) {
  begin();
  mount();
  const AlignedBytes data(content(0, 8192));
  EXPECT_EQ(device_->write_object(blob_fd_, 0, data.bytes().subspan(1, 4096)), EINVAL);
  EXPECT_EQ(device_->write_object(blob_fd_, 0, data.bytes().first(100)), EINVAL);
  EXPECT_EQ(device_->write_object(blob_fd_, 512, data.bytes().first(512)), ENOBUFS);
  EXPECT_EQ(device_->write_object(4711, 0, data.bytes()), EBADF);
  EXPECT_EQ(device_->seek_object(blob_fd_, 0, SEEK_DATA), -ENXIO);
  mount_.reset();
  take();
  take();
}

TEST_F(Ondemand, StockKernel61RoundsAnUnalignedOffsetDown) {
  Traits stock;
  stock.release = Release::k6_1;
  stock.has_series = false;
  begin(stock);
  mount();
  const AlignedBytes data(content(0, 512));
  EXPECT_EQ(device_->write_object(blob_fd_, 8704, data.bytes()), 0);
  EXPECT_EQ(device_->seek_object(blob_fd_, 0, SEEK_DATA), 8192);
  mount_.reset();
  take();
  take();
}

TEST_F(Ondemand, ReadThatIsCompletedWithoutDataFails) {
  begin();
  mount();
  auto reading = read_behind("blob", 0, 4096);
  const OndemandMessage message = take();
  EXPECT_EQ(device_->complete_read(boot_fd_, message.header.message_id), EINVAL);
  EXPECT_EQ(device_->complete_read(blob_fd_, message.header.message_id + 1), EINVAL);
  EXPECT_EQ(device_->complete_read(blob_fd_, message.header.message_id), 0);
  EXPECT_EQ(reading.get().error, EIO);
  mount_.reset();
  take();
  take();
}

TEST_F(Ondemand, ClosedDescriptorIsOpenedAgainForTheNextRead) {
  begin();
  mount();
  EXPECT_EQ(device_->close_object(blob_fd_), 0);
  EXPECT_EQ(device_->close_object(blob_fd_), EBADF);
  auto reading = read_behind("blob", 0, 4096);
  ASSERT_TRUE(readable());
  util::Buffer buffer(1024);
  // The first look finds the READ, and begins to open the object again.
  OndemandMessage open;
  for (;;) {
    const auto got = device_->read(buffer);
    ASSERT_EQ(got.error, 0);
    if (got.bytes > 0) {
      open = cachefiles::decode_ondemand_message(util::Bytes(buffer).first(got.bytes));
      break;
    }
    ASSERT_TRUE(readable());
  }
  EXPECT_EQ(open.header.opcode, abi::kOpOpen);
  EXPECT_EQ(open.cookie_key, "blob");
  EXPECT_EQ(copen(open, kBlobSize), 0);
  serve(open.fd, take());
  EXPECT_EQ(reading.get().bytes, content(0, 4096));
  mount_.reset();
  take();
  take();
}

TEST_F(Ondemand, DescriptorThatWasClosedBeforeCopenFailsTheOpen) {
  begin();
  auto mounting = std::async(std::launch::async, [&] { return kernel_->mount({"boot", "", {}}); });
  const OndemandMessage open = take();
  EXPECT_EQ(device_->close_object(open.fd), 0);
  EXPECT_EQ(copen(open, kBootSize), 0);
  EXPECT_EQ(mounting.get().error, EIO);
}

TEST_F(Ondemand, RestoreGivesReadsAgain) {
  begin();
  mount();
  auto reading = read_behind("blob", 0, 4096);
  const OndemandMessage first = take();
  EXPECT_FALSE(readable(0));
  auto keeper = kernel_->duplicate(*device_);
  device_ = std::move(keeper);  // the daemon is dead, its keeper is not
  EXPECT_EQ(device_->command("restore"), 0);
  const OndemandMessage again = take();
  EXPECT_EQ(again, first);
  serve(blob_fd_, again);
  EXPECT_EQ(reading.get().error, 0);
  mount_.reset();
  take();
  take();
}

TEST_F(Ondemand, EndOfTheDeviceEndsWaitersAndDescriptorsHoldTheSlot) {
  begin();
  mount();
  auto reading = read_behind("blob", 0, 4096);
  take();
  device_.reset();
  EXPECT_EQ(reading.get().error, EIO);
  EXPECT_EQ(kernel_->open(Node::kCachefiles).error, EBUSY);
  close_all();
  EXPECT_EQ(kernel_->open(Node::kCachefiles).error, 0);
  EXPECT_EQ(mount_->read("blob", 0, 4096).error, EIO);
}

TEST_F(Ondemand, KilledReaderTakesItsRequestBack) {
  begin();
  mount();
  Reader reader(*kernel_);
  auto reading = read_behind("blob", 0, 4096, &reader);
  const OndemandMessage message = take();
  reader.kill();
  EXPECT_EQ(reading.get().error, EINTR);
  EXPECT_EQ(device_->complete_read(blob_fd_, message.header.message_id), EINVAL);
  mount_.reset();
  take();
  take();
}

TEST_F(Ondemand, MessageIdsGoRound) {
  Traits late;
  late.first_message_id = 0xfffffffe;
  begin(late);
  auto mounting = std::async(std::launch::async, [&] { return kernel_->mount({"boot", "", {}}); });
  const OndemandMessage open = take();
  EXPECT_EQ(open.header.message_id, 0xfffffffe);
  EXPECT_EQ(copen(open, kBootSize), 0);
  const OndemandMessage read = take();
  EXPECT_EQ(read.header.message_id, 0xffffffff);
  serve(open.fd, read);
  mount_ = mounting.get().mount;
  auto reading = read_behind("boot", 4096, 4096);
  const OndemandMessage next_read = take();
  EXPECT_EQ(next_read.header.message_id, 0u);
  serve(open.fd, next_read);
  EXPECT_EQ(reading.get().error, 0);
  mount_.reset();
  take();
}

TEST_F(Ondemand, NoRoomMeansNoWriteAndNoNewFile) {
  begin();
  mount();
  kernel_->set_free_percent(0);
  EXPECT_EQ(write(blob_fd_, {0, 4096}), ENOBUFS);
  EXPECT_EQ(kernel_->mount({"another", "", {}}).error, EIO);
  kernel_->set_free_percent(50);
  EXPECT_EQ(write(blob_fd_, {0, 4096}), 0);
  mount_.reset();
  take();
  take();
}

TEST_F(Ondemand, SmallBufferKeepsTheMessage) {
  begin();
  auto mounting = std::async(std::launch::async, [&] { return kernel_->mount({"boot", "", {}}); });
  ASSERT_TRUE(readable());
  EXPECT_EQ(read_now(8), -EMSGSIZE);
  EXPECT_EQ(copen(take(), -EIO), 0);
  EXPECT_EQ(mounting.get().error, EIO);
}

TEST_F(Ondemand, VolumeOfAnotherKindIsBuried) {
  begin();
  const auto volume = root_ / "cache" / "Ierofs,boot";
  std::filesystem::create_directories(volume);
  ASSERT_EQ(::setxattr(volume.c_str(), cache::kCacheXattr, "\0\0\0\1", 4, 0), 0);
  mount();
  EXPECT_FALSE(std::filesystem::is_empty(root_ / "graveyard"));
  mount_.reset();
  take();
  take();
}

TEST_F(Ondemand, VolumeWithoutAttributeFailsTheMountAndAsksNothing) {
  begin();
  std::filesystem::create_directories(root_ / "cache" / "Ierofs,boot");
  EXPECT_EQ(kernel_->mount({"boot", "", {}}).error, EIO);
  EXPECT_FALSE(readable(0));
}

}  // namespace
}  // namespace ondemand::simulate
