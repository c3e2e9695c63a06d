// SPDX-License-Identifier: Apache-2.0
#include "probe/file_system.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "cache/extents.h"
#include "mount/mount_table.h"
#include "transport/fanotify_group.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::probe {

namespace {

constexpr std::size_t kBlock = 4096;

std::filesystem::path nearest_directory(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error).lexically_normal();
  while (!std::filesystem::is_directory(path, error) && path.has_relative_path())
    path = path.parent_path();
  return path;
}

// The type of the mount that the path lies in, by the longest mount point above it.
std::string type_of(const std::filesystem::path& path) {
  std::error_code error;
  const std::string real = std::filesystem::weakly_canonical(path, error).native() + "/";
  std::string type = "unknown";
  std::size_t longest = 0;
  for (const mount::MountEntry& entry : mount::list_mounts()) {
    std::string point = entry.mountpoint.native();
    if (!point.ends_with('/')) point += '/';
    if (real.starts_with(point) && point.size() >= longest) {
      longest = point.size();
      type = util::printable(entry.filesystem);
    }
  }
  return type;
}

unsigned percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 100 : static_cast<unsigned>(part * 100 / whole);
}

void look_at_space(FileSystemFacts& facts) {
  struct statvfs info {};
  if (::statvfs(facts.probed.c_str(), &info) != 0) return;
  facts.is_read_only = (info.f_flag & ST_RDONLY) != 0;
  facts.block_size = static_cast<std::uint32_t>(info.f_bsize);
  facts.bytes_free = std::uint64_t{info.f_bavail} * info.f_frsize;
  facts.bytes_total = std::uint64_t{info.f_blocks} * info.f_frsize;
  facts.blocks_free_percent = percent(info.f_bavail, info.f_blocks);
  facts.files_free_percent = percent(info.f_ffree, info.f_files);
}

// A file that nobody else can see.
util::Fd unnamed_file(const std::filesystem::path& directory, bool& has_tmpfile) {
  util::Fd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  has_tmpfile = fd.is_open();
  if (fd) return fd;
  std::string path = directory.native() + "/.probe-XXXXXX";
  fd = util::Fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd) throw util::errno_error(util::printable(directory.native()), "create a file", errno);
  ::unlink(path.c_str());
  return fd;
}

bool try_xattr(int fd) {
  return ::fsetxattr(fd, "user.ondemand.probe", "x", 1, 0) == 0;
}

bool try_direct_io(int fd) {
  alignas(kBlock) static std::array<char, kBlock> block;
  block.fill('d');
  const util::Fd again(
      ::open(util::concat("/proc/self/fd/", fd).c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  return again.is_open() && ::pwrite(again.get(), block.data(), kBlock, kBlock) == kBlock &&
         ::pread(again.get(), block.data(), kBlock, kBlock) == kBlock;
}

// Data in the middle of a megabyte that was only made by truncation.
bool try_holes(int fd) {
  constexpr std::uint64_t kSize = 1 << 20;
  constexpr std::uint64_t kMiddle = kSize / 2;
  const std::string bytes(65536, 'x');
  if (::ftruncate(fd, 0) != 0 || ::ftruncate(fd, kSize) != 0 ||
      ::pwrite(fd, bytes.data(), bytes.size(), kMiddle) != static_cast<ssize_t>(bytes.size()))
    return false;
  const auto ranges = cache::present_ranges(fd, {0, kSize}, "probe");
  return ranges.size() == 1 && ranges[0] == util::ByteRange{kMiddle, bytes.size()};
}

bool try_punch(int fd) {
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20) != 0) return false;
  return cache::present_bytes(fd, "probe") == 0;
}

std::string try_pre_content(const std::filesystem::path& directory) {
  try {
    const auto group = transport::FanotifyGroup::open();
    transport::check_pre_content_support(group, directory.native());
    return {};
  } catch (const util::Error& error) {
    return error.message();
  }
}

bool has_volumes(const std::filesystem::path& cache_directory) {
  std::error_code error;
  std::filesystem::directory_iterator entry(cache_directory, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end;
       entry.increment(error))
    if (entry->path().filename().native().starts_with('I')) return true;
  return false;
}

// What demandd has written into its lock: its number, and no longer than that.
int daemon_of(const std::filesystem::path& root) {
  std::ifstream lock(root / "demandd.lock");
  int pid = 0;
  return lock >> pid ? pid : 0;
}

}  // namespace

FileSystemFacts probe_file_system(const std::filesystem::path& root) {
  FileSystemFacts facts;
  facts.root = root;
  facts.probed = nearest_directory(root);
  std::error_code ignored;
  facts.exists = std::filesystem::is_directory(root, ignored);
  try {
    facts.type = type_of(facts.probed);
    look_at_space(facts);
    if (std::filesystem::exists(root, ignored) && !facts.exists)
      throw util::Error(util::ErrorCode::kCorrupt,
                        util::printable(root.native()) + ": probe: not a directory");
    facts.daemon = daemon_of(root);
    facts.has_volumes = has_volumes(root / "cache");
    facts.mark = cache::read_mark(root / "cache");
    const util::Fd file = unnamed_file(facts.probed, facts.has_tmpfile);
    facts.has_user_xattr = try_xattr(file.get());
    facts.has_direct_io = try_direct_io(file.get());
    facts.has_holes = try_holes(file.get());
    facts.has_punch = facts.has_holes && try_punch(file.get());
    facts.pre_content_error = try_pre_content(facts.probed);
  } catch (const util::Error& error) {
    facts.error = error.message();
  }
  return facts;
}

}  // namespace ondemand::probe
