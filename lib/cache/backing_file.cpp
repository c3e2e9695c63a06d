// SPDX-License-Identifier: Apache-2.0
#include "cache/backing_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <limits>
#include <thread>

#include "cache/extents.h"
#include "util/align.h"
#include "util/atomic_file.h"
#include "util/endian.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

using util::Error;
using util::ErrorCode;
using util::Fd;

struct ObjectXattrBytes {
  util::Be64 object_size;
  util::Be64 zero_point;
  std::uint8_t type;
  std::uint8_t content;
};
static_assert(sizeof(ObjectXattrBytes) == 18 && alignof(ObjectXattrBytes) == 1);

constexpr std::uint8_t kTypeData = 1;  // CACHEFILES_CO_TYPE_DATA, fs/cachefiles/internal.h

void truncate_to(int fd, std::uint64_t size, const std::string& name) {
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0)
    throw util::errno_error(name, util::concat("set size ", size), errno);
}

// A descriptor for looking, or none when nothing is there.
Fd open_for_look(const std::filesystem::path& path, struct stat& info) {
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return Fd();
    throw util::errno_error(util::printable(path.native()), "look up", errno);
  }
  if (!S_ISREG(info.st_mode)) return Fd();
  return util::open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

// demandd's direct writes go through unwritten extents, for as long as one takes: what is gone a
// little later was such a write.
std::vector<util::ByteRange> settled_unwritten(int fd, const std::string& name) {
  constexpr int kLooks = 10;
  constexpr std::chrono::milliseconds kPause{50};
  std::vector<util::ByteRange> ranges = unwritten_ranges(fd, name);
  for (int look = 0; look < kLooks && !ranges.empty() && is_open_elsewhere(fd); ++look) {
    std::this_thread::sleep_for(kPause);
    ranges = intersect(ranges, unwritten_ranges(fd, name));
  }
  return ranges;
}

BackingState inspect_fd(int fd, std::uint64_t size, const std::string& name) {
  BackingState state{.exists = true, .is_regular = true, .size = size};
  for (const util::ByteRange& range : settled_unwritten(fd, name))
    state.unwritten += range.len;
  const std::uint64_t data = present_bytes(fd, name);
  state.present = data - std::min(data, state.unwritten);
  state.has_xattr = has_object_xattr(fd, size, name);
  return state;
}

[[noreturn]] void refuse_in_use(const std::string& name, const std::string& reason) {
  throw Error(
      ErrorCode::kCorrupt,
      util::concat(name, ": check: ", reason,
                   ", and it is in use: unmount the images that use it and let demandd, which has "
                   "it open while it fills it, come to an end, then try again"));
}

}  // namespace

ObjectXattr encode_object_xattr(std::uint64_t size) {
  const ObjectXattrBytes bytes{size, std::uint64_t{0}, kTypeData, 0};
  ObjectXattr out{};
  std::memcpy(out.data(), &bytes, sizeof bytes);
  return out;
}

void set_object_xattr(int fd, std::uint64_t size, const std::string& name) {
  const ObjectXattr value = encode_object_xattr(size);
  if (::fsetxattr(fd, kCacheXattr, value.data(), value.size(), 0) == 0) return;
  if (errno == EOPNOTSUPP)
    throw Error(ErrorCode::kUnsupported,
                util::concat(name, ": set ", kCacheXattr,
                             ": the file system has no user extended attributes; put the cache "
                             "root on ext4, xfs or btrfs"));
  throw util::errno_error(name, util::concat("set ", kCacheXattr), errno);
}

bool has_object_xattr(int fd, std::uint64_t size, const std::string& name) {
  const ObjectXattr wanted = encode_object_xattr(size);
  std::array<std::uint8_t, 19> found{};  // one more, to see a value that is too long
  const ssize_t len = ::fgetxattr(fd, kCacheXattr, found.data(), found.size());
  if (len < 0 && errno != ENODATA && errno != ERANGE && errno != EOPNOTSUPP)
    throw util::errno_error(name, util::concat("read ", kCacheXattr), errno);
  return len == static_cast<ssize_t>(wanted.size()) &&
         std::memcmp(found.data(), wanted.data(), wanted.size()) == 0;
}

std::uint64_t backing_size(std::uint64_t object_size) {
  return util::round_up(object_size, kBackingAlignment);
}

void create_backing_file(const std::filesystem::path& temporary_directory,
                         const std::filesystem::path& path, std::uint64_t object_size) {
  util::AtomicFile file(temporary_directory, kBackingMode);
  truncate_to(file.fd(), backing_size(object_size), file.name());
  set_object_xattr(file.fd(), object_size, file.name());
  file.commit(path, util::Durability::kSync);
}

BackingState inspect_backing_file(const std::filesystem::path& path) {
  struct stat info {};
  const Fd fd = open_for_look(path, info);
  if (fd)
    return inspect_fd(fd.get(), static_cast<std::uint64_t>(info.st_size),
                      util::printable(path.native()));
  return BackingState{.exists = info.st_nlink > 0};
}

bool is_open_elsewhere(int fd) {
  // A write lease is granted only where no other open file of the inode exists, the kernel's own
  // included.  Source: fcntl(2), F_SETLEASE.
  // Whoever opens it while we hold the lease has the kernel send us a signal: SIGIO, which ends a
  // process, or the one that is set here, which is ignored unless somebody asked for it.
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0 || ::fcntl(fd, F_SETLEASE, F_WRLCK) != 0) return true;
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

EnsureResult ensure_backing_file(const std::filesystem::path& temporary_directory,
                                 const std::filesystem::path& path, std::uint64_t object_size) {
  const std::string name = util::printable(path.native());
  struct stat info {};
  Fd fd = open_for_look(path, info);
  if (!fd) {
    if (info.st_nlink > 0)
      throw Error(ErrorCode::kCorrupt,
                  util::concat(name, ": check: is not a regular file; remove it"));
    create_backing_file(temporary_directory, path, object_size);
    return EnsureResult::kCreated;
  }
  const BackingState state = inspect_fd(fd.get(), static_cast<std::uint64_t>(info.st_size), name);
  // The kernel takes both sizes, and extends the shorter one at its look-up.
  const bool is_sized = state.size == object_size || state.size == backing_size(object_size);
  const bool has_xattr = has_object_xattr(fd.get(), object_size, name);
  if (is_sized && state.unwritten == 0) {
    if (has_xattr) return EnsureResult::kKept;
    set_object_xattr(fd.get(), object_size, name);
    return EnsureResult::kRepaired;
  }
  const std::string reason =
      state.unwritten > 0
          ? util::concat("has ", state.unwritten, " bytes allocated but never written")
          : util::concat("has ", state.size, " bytes where ", object_size, " belong");
  if (is_open_elsewhere(fd.get())) refuse_in_use(name, reason);
  Fd writable = util::open_file(path, O_RDWR | O_NOFOLLOW);
  const bool is_mended =
      is_sized &&
      punch_unwritten(writable.get(), {0, std::numeric_limits<std::uint64_t>::max()}, name);
  if (!is_mended && (state.present > 0 || state.unwritten > 0)) {
    create_backing_file(temporary_directory, path, object_size);  // replaces it
    return EnsureResult::kRepaired;
  }
  if (!is_mended) truncate_to(writable.get(), backing_size(object_size), name);
  if (!has_xattr) set_object_xattr(writable.get(), object_size, name);
  util::fsync_fd(writable.get(), name);
  return EnsureResult::kRepaired;
}

}  // namespace ondemand::cache
