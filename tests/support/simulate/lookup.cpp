// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/lookup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "cache/backing_file.h"
#include "cache/backing_path.h"
#include "util/text.h"

namespace ondemand::simulate {

namespace {

constexpr std::size_t kXattrBytes = 18;

// Result of a look at an attribute: 0, ESTALE (there, but wrong) or another errno.
int check_volume_xattr(const std::filesystem::path& path) {
  std::array<char, 4> value{};
  const ssize_t len = ::getxattr(path.c_str(), cache::kCacheXattr, value.data(), value.size());
  if (len < 0) return errno;
  return len == 4 && value == std::array<char, 4>{} ? 0 : ESTALE;
}

struct ObjectXattr {
  int error = 0;
  std::uint64_t size = 0;
};

ObjectXattr read_object_xattr(int fd) {
  std::array<std::uint8_t, kXattrBytes> value{};
  const ssize_t len = ::fgetxattr(fd, cache::kCacheXattr, value.data(), value.size());
  if (len < 0) return {errno, 0};
  constexpr std::uint8_t kData = 1;
  constexpr std::uint8_t kDirty = 4;
  if (len != kXattrBytes || value[16] != kData) return {ESTALE, 0};
  ObjectXattr found;
  for (std::size_t i = 0; i < 8; ++i)
    found.size = found.size << 8 | value[i];
  if (value[17] == kDirty) found.error = ESTALE;
  return found;
}

bool has_size(int fd, std::uint64_t a, std::uint64_t b) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return false;
  const auto size = static_cast<std::uint64_t>(info.st_size);
  return size == a || size == b;
}

bool mark_in_use(Core& core, Object& object, int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return false;
  object.inode = {info.st_dev, info.st_ino};
  object.is_marked = core.in_use.insert(object.inode).second;
  return object.is_marked;
}

void unmark(Core& core, Object& object) {
  if (object.is_marked) core.in_use.erase(object.inode);
  object.is_marked = false;
}

// Makes a file that has no name yet.
bool create_file(Lock& lock, Cache& cache, const std::shared_ptr<Object>& object) {
  if (!cache.may_alter() || cache.check_space() != 0) return false;
  const auto directory = path_of(*object).parent_path();
  auto file =
      std::make_shared<util::Fd>(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!*file || !mark_in_use(cache.core(), *object, file->get())) return false;
  if (cache.ask_size(lock, object) != 0 ||
      ::ftruncate(file->get(), static_cast<off_t>(cache::backing_size(object->size))) != 0) {
    unmark(cache.core(), *object);
    return false;
  }
  object->is_temporary = true;
  object->file = std::move(file);
  return true;
}

// 0; ESTALE: another one belongs in its place; another errno: the look-up has failed.
int check_file(Lock& lock, Cache& cache, const std::shared_ptr<Object>& object, int fd) {
  if (const int error = cache.ask_size(lock, object); error != 0) return EINVAL;
  const ObjectXattr xattr = read_object_xattr(fd);
  if (xattr.error != 0) return xattr.error;
  if (cache.may_alter()) return xattr.size == object->size ? 0 : ESTALE;
  constexpr std::uint64_t kMax = 0x7fffffffffffffffULL - cache::kBackingAlignment;
  if (xattr.size == 0 || xattr.size > kMax ||
      !has_size(fd, xattr.size, cache::backing_size(xattr.size)))
    return ESTALE;
  object->size = xattr.size;
  return 0;
}

bool open_file(Lock& lock, Cache& cache, const std::shared_ptr<Object>& object,
               const std::filesystem::path& path) {
  auto file = std::make_shared<util::Fd>(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!*file || !mark_in_use(cache.core(), *object, file->get())) return false;
  // Clean pages of unwritten extents must not count as data.
  if (!cache.may_alter()) ::posix_fadvise(file->get(), 0, 0, POSIX_FADV_DONTNEED);
  const int error = check_file(lock, cache, object, file->get());
  if (error == 0) {
    object->file = std::move(file);
    return true;
  }
  unmark(cache.core(), *object);
  return error == ESTALE && create_file(lock, cache, object);
}

bool find_file(Lock& lock, Cache& cache, const std::shared_ptr<Object>& object) {
  const std::filesystem::path path = path_of(*object);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return errno == ENOENT && create_file(lock, cache, object);
  if (!S_ISREG(info.st_mode))
    return cache.may_alter() && bury(cache, path) && create_file(lock, cache, object);
  return open_file(lock, cache, object, path);
}

// Ends a file at a multiple of the block that direct I/O takes.
bool adjust_size(const Object& object) {
  const std::uint64_t wanted = cache::backing_size(object.size);
  return has_size(object.file->get(), wanted, wanted) ||
         ::ftruncate(object.file->get(), static_cast<off_t>(wanted)) == 0;
}

}  // namespace

std::filesystem::path path_of(const Object& object) {
  return object.volume->path / cache::fan_directory_name(object.fan) / object.name;
}

bool bury(const Cache& cache, const std::filesystem::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return false;
  if (!S_ISDIR(info.st_mode)) return ::unlink(path.c_str()) == 0;
  static std::atomic<unsigned> counter{0};
  const auto grave =
      cache.root() / "graveyard" / util::concat("00000000", util::to_hex(std::uint64_t{++counter}));
  return ::rename(path.c_str(), grave.c_str()) == 0;
}

void acquire_volume(Cache& cache, Volume& volume) {
  const std::filesystem::path path = cache.store() / ("I" + volume.key);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const bool is_new = cache.may_alter() && ::mkdir(path.c_str(), 0700) == 0;
    if (is_new) {
      if (::setxattr(path.c_str(), cache::kCacheXattr, "\0\0\0\0", 4, 0) != 0) return;
      break;
    }
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return;
    const int error = check_volume_xattr(path);
    if (error == 0) break;
    if (error != ESTALE || !cache.may_alter() || !bury(cache, path)) return;
  }
  if (cache.may_alter()) {
    for (unsigned fan = 0; fan < 256; ++fan) {
      const auto directory = path / cache::fan_directory_name(static_cast<std::uint8_t>(fan));
      if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return;
    }
  }
  volume.path = path;
}

void look_up(Lock& lock, Cache& cache, const std::shared_ptr<Object>& object) {
  Core& core = cache.core();
  const std::filesystem::path path = path_of(*object);
  core.wait(lock, nullptr, [&] { return !core.dying.contains(path) || cache.is_dead(); });
  const bool found = !cache.is_dead() && find_file(lock, cache, object) && adjust_size(*object) &&
                     !object->is_withdrawn;  // meanwhile
  object->look_up = found ? Object::LookUp::kReady : Object::LookUp::kFailed;
  if (!found) {
    object->is_temporary = false;
    object->file.reset();
    unmark(core, *object);
  }
  core.changed.notify_all();
}

void withdraw(Core& core, Object& object) {
  if (object.is_withdrawn) return;
  object.is_withdrawn = true;
  if (object.file && object.is_temporary) {
    const std::filesystem::path path = path_of(object);
    const cache::ObjectXattr value = cache::encode_object_xattr(object.size);
    ::fsetxattr(object.file->get(), cache::kCacheXattr, value.data(), value.size(), 0);
    ::unlink(path.c_str());
    const std::string source = util::concat("/proc/self/fd/", object.file->get());
    ::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW);
    object.is_temporary = false;
  }
  unmark(core, object);
  object.file.reset();
  core.changed.notify_all();
}

}  // namespace ondemand::simulate
