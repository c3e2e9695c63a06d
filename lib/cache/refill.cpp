// SPDX-License-Identifier: Apache-2.0
#include "cache/refill.h"

#include <fcntl.h>

#include <algorithm>
#include <functional>

#include "cache/extents.h"
#include "hash/sha256.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/stream.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;

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
  for (const util::ByteRange& range : present_ranges(fd.get(), {0, size}, name))
    if (!same_range(verified_fd, fd.get(), range, name))
      throw util::Error(util::ErrorCode::kCorrupt,
                        util::concat(name,
                                     ": check: holds other bytes than the blob that it is "
                                     "named for; unmount what uses it and remove it"));
  util::Buffer buffer(kPieceBytes);
  bool wrote = false;
  for (const util::ByteRange& range : missing_ranges(fd.get(), {0, size}, name)) {
    wrote = true;
    for_pieces(range, [&](std::uint64_t at, std::size_t len) {
      util::pread_full(verified_fd, util::MutableBytes(buffer).first(len), at, name);
      util::pwrite_full(fd.get(), util::Bytes(buffer).first(len), at, name);
      return true;
    });
  }
  if (wrote) util::fsync_fd(fd.get(), name);
}

}  // namespace ondemand::cache
