// SPDX-License-Identifier: Apache-2.0
//
// The running kernel.  Readers are processes of their own, started anew: a child that was only
// forked would hold the device open.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "behaviour/cachefiles/system.h"
#include "cachefiles/abi.h"
#include "cachefiles/kernel_device.h"
#include "util/error.h"
#include "util/fd.h"

extern char** environ;

namespace ondemand::behaviour {

namespace {

namespace abi = cachefiles::abi;

class Process : public Reading {
 public:
  explicit Process(std::vector<std::string> args) {
    std::vector<char*> argv;
    for (std::string& arg : args)
      argv.push_back(arg.data());
    argv.push_back(nullptr);
    if (::posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, argv.data(), environ) != 0)
      pid_ = -1;
  }
  ~Process() override {
    if (pid_ < 0) return;
    kill();
    wait();
  }
  Outcome wait() override {
    if (pid_ < 0) return Outcome::kOtherError;
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    int status = 0;
    // There is no wait with a deadline; nothing is concluded from how long it took.
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > end) return Outcome::kStuck;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    pid_ = -1;
    return WIFEXITED(status) ? static_cast<Outcome>(WEXITSTATUS(status)) : Outcome::kKilled;
  }
  void kill() override {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }

 private:
  pid_t pid_ = -1;
};

class KernelMount : public Mount {
 public:
  explicit KernelMount(std::filesystem::path point) : point_(std::move(point)) {}
  ~KernelMount() override {
    if (::umount(point_.c_str()) != 0) ::umount2(point_.c_str(), MNT_DETACH);
    std::error_code ignored;
    std::filesystem::remove(point_, ignored);
  }
  std::unique_ptr<Reading> start_read(const ImageFile& file, std::uint64_t offset,
                                      std::uint64_t len, bool in_pages) override {
    return std::make_unique<Process>(std::vector<std::string>{
        "reader", "--reader", point_.native() + "/f" + std::to_string(file.number),
        std::to_string(file.number), std::to_string(offset),
        std::to_string(std::min(len, file.size - offset)), in_pages ? "pages" : "all"});
  }

 private:
  std::filesystem::path point_;
};

int errno_of(const util::Error& error) {
  switch (error.code()) {
    case util::ErrorCode::kNotFound:
      return ENOENT;
    case util::ErrorCode::kUnavailable:
      return EBUSY;
    default:
      return error.errno_value() != 0 ? error.errno_value() : EIO;
  }
}

class KernelSystem : public System {
 public:
  explicit KernelSystem(std::filesystem::path directory) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
  }
  ~KernelSystem() override { set_full(false); }

  Opened open(Protocol protocol) override {
    try {
      return {0, std::make_unique<cachefiles::KernelDevice>(
                     protocol == Protocol::kDemand ? abi::kDemandDevice : abi::kDevice)};
    } catch (const util::Error& error) {
      return {errno_of(error), nullptr};
    }
  }
  std::unique_ptr<cachefiles::Device> duplicate(const cachefiles::Device& device) override {
    return std::make_unique<cachefiles::KernelDevice>(
        util::Fd(::fcntl(device.poll_fd(), F_DUPFD_CLOEXEC, 3)));
  }
  int close_descriptor(int fd) override { return ::close(fd) == 0 ? 0 : errno; }

  Mounted mount(const TestImage&, const MountOptions& options) override {
    const auto point = directory_ / ("mnt" + std::to_string(++mounts_));
    std::filesystem::create_directories(point);
    std::string text = "fsid=" + options.fsid;
    if (!options.domain_id.empty()) text += ",domain_id=" + options.domain_id;
    if (::mount("none", point.c_str(), "erofs", MS_RDONLY, text.c_str()) != 0) {
      const int error = errno;
      std::filesystem::remove(point);
      return {error, nullptr};
    }
    return {0, std::make_unique<KernelMount>(point)};
  }

  void forget_pages() override {
    const util::Fd fd = util::open_file("/proc/sys/vm/drop_caches", O_WRONLY);
    util::write_full(fd.get(), util::as_bytes("3"), "drop_caches");
  }
  void settle() override {}  // the last close of the device has seen to it
  bool set_full(bool full) override {
    const auto filler = directory_ / "filler";
    if (!full) {
      is_full_ = false;
      std::error_code ignored;
      std::filesystem::remove(filler, ignored);
      return true;
    }
    struct statfs info {};
    constexpr std::uint64_t kMax = 1024 * util::kMiB;  // not somebody's real disk
    if (::statfs(directory_.c_str(), &info) != 0 ||
        static_cast<std::uint64_t>(info.f_blocks) * static_cast<std::uint64_t>(info.f_bsize) > kMax)
      return false;
    const util::Fd fd = util::open_file(filler, O_WRONLY | O_CREAT, 0600);
    const std::string bytes(65536, 'x');
    for (const std::size_t piece : {std::size_t{65536}, std::size_t{512}, std::size_t{4096}}) {
      while (::write(fd.get(), bytes.data(), piece) > 0) {
      }
      ::fsync(fd.get());
    }
    is_full_ = true;
    return true;
  }
  bool is_full() const override { return is_full_; }
  const std::filesystem::path& directory() const override { return directory_; }

 private:
  std::filesystem::path directory_;
  std::atomic<int> mounts_{0};
  std::atomic<bool> is_full_{false};
};

}  // namespace

std::unique_ptr<System> make_kernel_system(const std::filesystem::path& directory) {
  return std::make_unique<KernelSystem>(directory);
}

int run_reader(const std::vector<std::string>& args) {
  if (args.size() != 5) return static_cast<int>(Outcome::kOtherError);
  const util::Fd fd(::open(args[0].c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return static_cast<int>(errno == EIO ? Outcome::kIoError : Outcome::kOtherError);
  const auto file = static_cast<unsigned>(std::stoul(args[1]));
  std::uint64_t offset = std::stoull(args[2]);
  const std::uint64_t end = offset + std::stoull(args[3]);
  const bool in_pages = args[4] == "pages";
  if (in_pages) ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM);
  constexpr std::uint64_t kPage = 4096;
  while (offset < end) {
    util::Buffer bytes(in_pages ? std::min(kPage, end - offset) : end - offset);
    const ssize_t got = ::pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got <= 0)
      return static_cast<int>(got < 0 && errno == EIO ? Outcome::kIoError : Outcome::kOtherError);
    bytes.resize(static_cast<std::size_t>(got));
    if (bytes != file_content(file, offset, bytes.size()))
      return static_cast<int>(Outcome::kWrongData);
    offset += bytes.size();
  }
  return static_cast<int>(Outcome::kGood);
}

}  // namespace ondemand::behaviour
