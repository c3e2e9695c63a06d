// SPDX-License-Identifier: Apache-2.0
#include "cachefiles/kernel_device.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "cachefiles/abi.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::cachefiles {

using util::concat;
using util::Error;
using util::ErrorCode;

namespace {

// Of a millisecond each.
constexpr int kTriesWithoutMemory = 10'000;

util::Fd open_device(const std::filesystem::path& node) {
  const std::string name = util::printable(node.native());
  util::Fd fd(::open(node.c_str(), O_RDWR | O_CLOEXEC));
  if (fd) return fd;
  switch (const int error = errno; error) {
    case ENOENT:
      throw Error(ErrorCode::kNotFound,
                  concat(name,
                         ": open: this kernel has no such device; is the module cachefiles "
                         "loaded, and built with the option for it?"));
    case EBUSY:
      throw Error(ErrorCode::kUnavailable,
                  concat(name,
                         ": open: another process has a control device of cachefiles open "
                         "(cachefilesd, or another demandd); only one can"));
    case EPERM:
    case EACCES:
      throw Error(ErrorCode::kUnsupported, concat(name, ": open: needs the right CAP_SYS_ADMIN"));
    case ENODEV:
    case ENXIO:
      throw Error(ErrorCode::kUnsupported, concat(name, ": open: no driver stands behind it"));
    default:
      throw util::errno_error(name, "open", error);
  }
}

}  // namespace

KernelDevice::KernelDevice(const std::filesystem::path& node) : fd_(open_device(node)) {}

Device::Read KernelDevice::read(util::MutableBytes buffer) {
  ssize_t len = 0;
  do {
    len = ::read(fd_.get(), buffer.data(), buffer.size());
  } while (len < 0 && errno == EINTR);
  if (len < 0) return {0, errno};
  return {static_cast<std::size_t>(len), 0};
}

// The kernel copies a command before it reads it.  Where it has no memory for that, an answer would
// be lost, and its reader would wait for good.
int KernelDevice::command(std::string_view text) {
  int tries = kTriesWithoutMemory;
  ssize_t len = 0;
  for (;;) {
    len = ::write(fd_.get(), text.data(), text.size());
    if (len >= 0 || (errno != EINTR && errno != ENOMEM)) break;
    if (errno == ENOMEM && --tries == 0) break;
    if (errno == ENOMEM) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (len < 0) return errno;
  // The kernel takes a command whole.
  return static_cast<std::size_t>(len) == text.size() ? 0 : EIO;
}

int KernelDevice::write_object(int fd, std::uint64_t offset, util::Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t len = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (len < 0 && errno == EINTR) continue;
    if (len < 0) return errno;
    if (len == 0) return EIO;
    offset += static_cast<std::uint64_t>(len);
    bytes = bytes.subspan(static_cast<std::size_t>(len));
  }
  return 0;
}

int KernelDevice::complete_read(int fd, std::uint32_t message_id) {
  return ::ioctl(fd, abi::kIocReadComplete, static_cast<unsigned long>(message_id)) == 0 ? 0
                                                                                         : errno;
}

int KernelDevice::close_object(int fd) {
  return ::close(fd) == 0 ? 0 : errno;
}

std::int64_t KernelDevice::seek_object(int fd, std::int64_t offset, int whence) {
  const off_t at = ::lseek(fd, static_cast<off_t>(offset), whence);
  return at < 0 ? -errno : at;
}

}  // namespace ondemand::cachefiles
