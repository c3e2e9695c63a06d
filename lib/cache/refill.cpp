// SPDX-License-Identifier: Apache-2.0
#include "cache/refill.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <new>

#include "cache/backing_file.h"
#include "cache/extents.h"
#include "hash/sha256.h"
#include "util/align.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/stream.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;

constexpr std::uint64_t kDirectAlignment = 4096;

// Memory that direct I/O takes.
class AlignedPiece {
 public:
  AlignedPiece() : memory_(std::aligned_alloc(kDirectAlignment, kPieceBytes)) {
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  ~AlignedPiece() { std::free(memory_); }
  AlignedPiece(const AlignedPiece&) = delete;
  AlignedPiece& operator=(const AlignedPiece&) = delete;
  util::MutableBytes bytes() const { return {static_cast<std::uint8_t*>(memory_), kPieceBytes}; }

 private:
  void* memory_;
};

// The kernel's cachefiles, which may have the file in use, takes as data what the file system calls
// so: a buffered write that fails could leave zeros there, and pages that are read into the page
// cache, readahead is enough, can make data of extents that a direct write of demandd is just
// filling.  None where the file system has no direct I/O; then cachefiles cannot use it either.
util::Fd open_direct(const std::filesystem::path& path, std::uint64_t size) {
  if (!util::is_aligned(size, kDirectAlignment)) return util::Fd();
  return util::Fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_DIRECT | O_CLOEXEC));
}

util::ByteRange widen(util::ByteRange range) {
  const std::uint64_t begin = util::round_down(range.offset, kDirectAlignment);
  return {begin, util::round_up(range.end(), kDirectAlignment) - begin};
}

// Calls `use` for each piece of a range, until it returns false.
bool for_pieces(util::ByteRange range, const std::function<bool(std::uint64_t, std::size_t)>& use) {
  for (std::uint64_t at = range.offset; at < range.end(); at += kPieceBytes)
    if (!use(at, static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, range.end() - at))))
      return false;
  return true;
}

bool same_range(int a, int b, util::ByteRange range, const std::string& name) {
  util::Buffer left(kPieceBytes);
  util::Buffer right(kPieceBytes);
  return for_pieces(range, [&](std::uint64_t at, std::size_t len) {
    util::pread_full(a, util::MutableBytes(left).first(len), at, name);
    util::pread_full(b, util::MutableBytes(right).first(len), at, name);
    return std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(len), right.begin());
  });
}

// The same without the page cache.  `whole` is read as usual: nobody else has that file.
bool same_range_direct(int whole, int direct, util::ByteRange range, const std::string& name) {
  const AlignedPiece memory;
  util::Buffer right(kPieceBytes);
  return for_pieces(widen(range), [&](std::uint64_t at, std::size_t len) {
    const util::MutableBytes left = memory.bytes().first(len);
    util::pread_full(direct, left, at, name);
    util::pread_full(whole, util::MutableBytes(right).first(len), at, name);
    // Blocks of the file system may be smaller than what direct I/O takes here.
    const std::uint64_t begin = std::max(at, range.offset) - at;
    const std::uint64_t end = std::min(at + len, range.end()) - at;
    return std::equal(left.begin() + static_cast<std::ptrdiff_t>(begin),
                      left.begin() + static_cast<std::ptrdiff_t>(end),
                      right.begin() + static_cast<std::ptrdiff_t>(begin));
  });
}

// Of a direct write that failed.  Where another process has the file open the kernel may read it
// and demandd write to it: then nothing is made a hole, and a later prepare does it.
void drop_unwritten(util::Fd& direct, int fd, util::ByteRange range, const std::string& name) {
  direct.reset();
  if (!is_open_elsewhere(fd)) punch_unwritten(fd, range, name);
}

// Where no room is left, the file system may leave zeroed blocks behind that count as data.  Makes
// holes of the blocks of `range` that are present and wrong; those that are right may be in use.
void drop_wrong_blocks(int verified_fd, int fd, util::ByteRange range, const std::string& name) {
  constexpr std::uint64_t kBlock = 4096;
  for (const util::ByteRange& data : present_ranges(fd, range, name)) {
    for (std::uint64_t at = data.offset / kBlock * kBlock; at < data.end(); at += kBlock) {
      const util::ByteRange block{at, std::min(kBlock, range.end() - at)};
      if (same_range(verified_fd, fd, block, name)) continue;
      if (!punch_hole(fd, block))
        throw util::errno_error(name + ": remove this file, a write that failed left it wrong",
                                "punch a hole", errno);
    }
  }
}

// Before the first block is begun, not in the middle of one.
void check_room(int fd, const std::vector<util::ByteRange>& holes, const std::string& name) {
  constexpr std::uint64_t kMargin = util::kMiB;
  std::uint64_t wanted = 0;
  for (const util::ByteRange& hole : holes)
    wanted += hole.len;
  struct statvfs status {};
  if (wanted == 0 || ::fstatvfs(fd, &status) != 0) return;
  const std::uint64_t room = std::uint64_t{status.f_bfree} * status.f_frsize;
  if (room >= wanted + kMargin) return;
  throw util::Error(util::ErrorCode::kIo,
                    util::concat(name, ": write: the file system is full: ", wanted,
                                 " bytes wanted, ", room, " free, ", kMargin, " of them kept"));
}

}  // namespace

bool has_content(const std::filesystem::path& path, std::uint64_t len, const hash::Digest& digest) {
  const std::string name = util::printable(path.native());
  const util::Fd fd = util::open_file(path, O_RDONLY | O_NOFOLLOW);
  const std::uint64_t size = util::file_size(fd.get(), name);
  if (len > size) return false;
  hash::Sha256 sha;
  util::Buffer buffer(kPieceBytes);
  for_pieces({0, len}, [&](std::uint64_t at, std::size_t piece) {
    util::pread_full(fd.get(), util::MutableBytes(buffer).first(piece), at, name);
    sha.update(util::Bytes(buffer).first(piece));
    return true;
  });
  if (sha.finish() != digest) return false;
  return for_pieces({len, size - len}, [&](std::uint64_t at, std::size_t piece) {
    util::pread_full(fd.get(), util::MutableBytes(buffer).first(piece), at, name);
    return std::all_of(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(piece),
                       [](std::uint8_t byte) { return byte == 0; });
  });
}

bool same_content(int fd, const std::filesystem::path& path) {
  const std::string name = util::printable(path.native());
  const util::Fd other = util::open_file(path, O_RDONLY | O_NOFOLLOW);
  const std::uint64_t size = util::file_size(fd, name);
  return size == util::file_size(other.get(), name) && same_range(fd, other.get(), {0, size}, name);
}

void fill_missing(int verified_fd, const std::filesystem::path& path, std::uint64_t size) {
  const std::string name = util::printable(path.native());
  const util::Fd fd = util::open_file(path, O_RDWR | O_NOFOLLOW);
  util::Fd direct = open_direct(path, size);
  for (const util::ByteRange& range : present_ranges(fd.get(), {0, size}, name))
    if (!(direct ? same_range_direct(verified_fd, direct.get(), range, name)
                 : same_range(verified_fd, fd.get(), range, name)))
      throw util::Error(util::ErrorCode::kCorrupt,
                        util::concat(name,
                                     ": check: holds other bytes than the blob that it is "
                                     "named for; unmount what uses it and remove it"));
  const std::vector<util::ByteRange> holes = missing_ranges(fd.get(), {0, size}, name);
  if (holes.empty()) return;
  check_room(fd.get(), holes, name);
  const AlignedPiece memory;
  for (const util::ByteRange& hole : holes) {
    for_pieces(direct ? widen(hole) : hole, [&](std::uint64_t at, std::size_t len) {
      const util::MutableBytes piece = memory.bytes().first(len);
      util::pread_full(verified_fd, piece, at, name);
      try {
        util::pwrite_full(direct ? direct.get() : fd.get(), piece, at, name);
      } catch (const util::Error&) {
        if (direct)
          drop_unwritten(direct, fd.get(), {at, len}, name);
        else
          drop_wrong_blocks(verified_fd, fd.get(), {at, len}, name);
        throw;
      }
      return true;
    });
  }
  util::fsync_fd(fd.get(), name);
}

}  // namespace ondemand::cache
