// SPDX-License-Identifier: Apache-2.0
#include "cache/extents.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>

#include "util/error.h"
#include "util/fd.h"

namespace ondemand::cache {

namespace {

using util::ByteRange;

// Next offset >= `offset` of that kind; `end` when there is none before it.
std::uint64_t seek(int fd, std::uint64_t offset, int whence, std::uint64_t end,
                   std::string_view name) {
  const off_t found = ::lseek(fd, static_cast<off_t>(offset), whence);
  if (found >= 0) return std::min(static_cast<std::uint64_t>(found), end);
  if (errno == ENXIO) return end;  // no data up to the end, or behind the end
  throw util::errno_error(name, whence == SEEK_DATA ? "seek data" : "seek hole", errno);
}

ByteRange clip(ByteRange range, std::uint64_t size) {
  const std::uint64_t offset = std::min(range.offset, size);
  return {offset, std::min(range.len, size - offset)};
}

std::vector<ByteRange> unwritten_pass(int fd, std::string_view name) {
  constexpr std::size_t kExtents = 256;
  // A fiemap ends in an array without a length of its own.
  alignas(fiemap) std::byte memory[sizeof(fiemap) + kExtents * sizeof(fiemap_extent)];
  std::vector<ByteRange> ranges;
  std::uint64_t start = 0;
  for (;;) {
    std::memset(memory, 0, sizeof memory);
    auto* map = reinterpret_cast<fiemap*>(memory);
    map->fm_start = start;
    map->fm_length = std::numeric_limits<std::uint64_t>::max() - start;
    map->fm_flags = start == 0 ? FIEMAP_FLAG_SYNC : 0;
    map->fm_extent_count = kExtents;
    if (::ioctl(fd, FS_IOC_FIEMAP, map) != 0) {
      if (errno == EINTR) continue;
      if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL) return {};
      throw util::errno_error(name, "map extents", errno);
    }
    const auto* extents =
        reinterpret_cast<const fiemap_extent*>(memory + offsetof(fiemap, fm_extents));
    bool last = map->fm_mapped_extents == 0;
    for (std::uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
      const fiemap_extent& extent = extents[i];
      if ((extent.fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0)
        ranges.push_back({extent.fe_logical, extent.fe_length});
      start = extent.fe_logical + extent.fe_length;
      last = last || (extent.fe_flags & FIEMAP_EXTENT_LAST) != 0;
    }
    if (last) return ranges;
  }
}

}  // namespace

std::vector<ByteRange> intersect(const std::vector<ByteRange>& a, const std::vector<ByteRange>& b) {
  std::vector<ByteRange> common;
  for (std::size_t i = 0, k = 0; i < a.size() && k < b.size();) {
    const std::uint64_t begin = std::max(a[i].offset, b[k].offset);
    const std::uint64_t end = std::min(a[i].end(), b[k].end());
    if (begin < end) common.push_back({begin, end - begin});
    if (a[i].end() < b[k].end())
      ++i;
    else
      ++k;
  }
  return common;
}

std::vector<ByteRange> present_ranges(int fd, ByteRange range, std::string_view name) {
  range = clip(range, util::file_size(fd, name));
  std::vector<ByteRange> ranges;
  for (std::uint64_t at = range.offset; at < range.end();) {
    const std::uint64_t begin = seek(fd, at, SEEK_DATA, range.end(), name);
    if (begin >= range.end()) break;
    const std::uint64_t end = seek(fd, begin, SEEK_HOLE, range.end(), name);
    if (end > begin) ranges.push_back({begin, end - begin});
    at = std::max(end, begin + 1);  // a file that changes meanwhile must not hold us here
  }
  return ranges;
}

std::vector<ByteRange> missing_ranges(int fd, ByteRange range, std::string_view name) {
  range = clip(range, util::file_size(fd, name));
  std::vector<ByteRange> ranges;
  std::uint64_t at = range.offset;
  for (const ByteRange& present : present_ranges(fd, range, name)) {
    if (present.offset > at) ranges.push_back({at, present.offset - at});
    at = present.end();
  }
  if (at < range.end()) ranges.push_back({at, range.end() - at});
  return ranges;
}

std::uint64_t present_bytes(int fd, std::string_view name) {
  std::uint64_t total = 0;
  for (const ByteRange& range :
       present_ranges(fd, {0, std::numeric_limits<std::uint64_t>::max()}, name))
    total += range.len;
  return total;
}

std::vector<ByteRange> unwritten_ranges(int fd, std::string_view name) {
  std::vector<ByteRange> first = unwritten_pass(fd, name);
  if (first.empty()) return first;
  // ext4 allocates unwritten extents for data on its way to the disk and converts them after it.
  // A second, syncing look finds those converted; only what both saw was never written.
  return intersect(first, unwritten_pass(fd, name));
}

bool punch_hole(int fd, ByteRange range) {
  int done = 0;
  do {
    done = ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(range.offset), static_cast<off_t>(range.len));
  } while (done != 0 && errno == EINTR);
  return done == 0;
}

bool punch_unwritten(int fd, ByteRange within, std::string_view name) {
  const auto left = [&] { return intersect(unwritten_ranges(fd, name), {within}); };
  for (const ByteRange& range : left())
    if (!punch_hole(fd, range)) return false;
  return left().empty();
}

}  // namespace ondemand::cache
