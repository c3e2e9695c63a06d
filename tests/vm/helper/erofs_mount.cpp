// SPDX-License-Identifier: Apache-2.0
#include "erofs_mount.h"

#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

// <sys/mount.h> of glibc 2.36 cannot be included beside <linux/mount.h>.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;
extern "C" int umount2(const char*, int) noexcept;

namespace ondemand::vmtest {

namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kSuperblock = 1024;
constexpr std::uint64_t kRootNid = 36;  // just behind the superblock, in units of 32 bytes
constexpr std::uint64_t kFileNid = 37;

template <class T>
void put(std::vector<std::uint8_t>& image, std::size_t at, T value) {
  std::memcpy(image.data() + at, &value, sizeof value);  // tests run on x86-64 only
}

void put_inode(std::vector<std::uint8_t>& image, std::uint64_t nid, std::uint16_t mode,
               std::uint16_t links, std::uint32_t size, std::uint32_t block) {
  const std::size_t at = nid * 32;
  put<std::uint16_t>(image, at, 0);  // compact, plain
  put<std::uint16_t>(image, at + 4, mode);
  put<std::uint16_t>(image, at + 6, links);
  put<std::uint32_t>(image, at + 8, size);
  put<std::uint32_t>(image, at + 16, block);
  put<std::uint32_t>(image, at + 20, static_cast<std::uint32_t>(nid));
}

}  // namespace

std::vector<std::uint8_t> tiny_image() {
  std::vector<std::uint8_t> image(kTinyImageBytes);
  put<std::uint32_t>(image, kSuperblock, 0xe0f5e1e2);
  image[kSuperblock + 12] = 12;  // block bits
  put<std::uint16_t>(image, kSuperblock + 14, kRootNid);
  put<std::uint64_t>(image, kSuperblock + 16, 2);  // inodes
  put<std::uint32_t>(image, kSuperblock + 36, 3);  // blocks
  constexpr std::size_t kEntry = 12;
  constexpr std::string_view kNames = "...f";
  constexpr std::uint32_t kDirectoryBytes = 3 * kEntry + kNames.size();
  put_inode(image, kRootNid, S_IFDIR | 0755, 2, kDirectoryBytes, 1);
  put_inode(image, kFileNid, S_IFREG | 0644, 1, kBlock, 2);
  const struct {
    std::uint64_t nid;
    std::uint16_t name;
    std::uint8_t type;
  } entries[] = {{kRootNid, 0, 2}, {kRootNid, 1, 2}, {kFileNid, 3, 1}};
  std::size_t at = kBlock;
  for (const auto& entry : entries) {
    put(image, at, entry.nid);
    put<std::uint16_t>(image, at + 8, static_cast<std::uint16_t>(3 * kEntry + entry.name));
    image[at + 10] = entry.type;
    at += kEntry;
  }
  std::memcpy(image.data() + at, kNames.data(), kNames.size());
  std::memset(image.data() + 2 * kBlock, 'x', kBlock);
  return image;
}

int try_erofs(const std::string& fsid, const std::string& domain) {
  const util::Fd context(static_cast<int>(::syscall(SYS_fsopen, "erofs", FSOPEN_CLOEXEC)));
  if (!context) return errno;
  const auto configure = [&](unsigned command, const char* key, const char* value) {
    return ::syscall(SYS_fsconfig, context.get(), command, key, value, 0) == 0 ? 0 : errno;
  };
  int error = configure(FSCONFIG_SET_STRING, "fsid", fsid.c_str());
  if (error == 0 && !domain.empty())
    error = configure(FSCONFIG_SET_STRING, "domain_id", domain.c_str());
  return error != 0 ? error : configure(FSCONFIG_CMD_CREATE, nullptr, nullptr);
}

int mount_erofs(const std::string& options, const std::filesystem::path& point,
                const std::string& source) {
  constexpr unsigned long kReadOnly = 1;  // MS_RDONLY
  const int result = ::mount(source.c_str(), point.c_str(), "erofs", kReadOnly, options.c_str());
  return result == 0 ? 0 : errno;
}

void unmount(const std::filesystem::path& point) {
  if (::umount2(point.c_str(), 0) != 0)
    throw util::Error(util::ErrorCode::kIo, util::concat(point.native(), ": umount: ", errno));
}

std::string errno_name(int error) {
  switch (error) {
    case 0:
      return "mounted";
    case EIO:
      return "EIO";
    case ENOBUFS:
      return "ENOBUFS";
    case ENOENT:
      return "ENOENT";
    case EINVAL:
      return "EINVAL";
    default:
      return std::to_string(error);
  }
}

}  // namespace ondemand::vmtest
