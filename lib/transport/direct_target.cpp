// SPDX-License-Identifier: Apache-2.0
#include "transport/direct_target.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "cache/extents.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::transport {

DirectTarget::DirectTarget(const std::filesystem::path& path, std::string name, std::uint64_t size)
    : name_(std::move(name)),
      fd_(util::open_file(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_DIRECT)) {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw util::errno_error(name_, "stat", errno);
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) != size) {
    throw util::Error(util::ErrorCode::kCorrupt,
                      util::concat(name_, ": open: not a regular file of ", size, " bytes"));
  }
}

std::vector<util::ByteRange> DirectTarget::missing(util::ByteRange range) {
  std::vector<util::ByteRange> holes = cache::missing_ranges(fd_.get(), range, name_);
  failed_.add_left_over(range, holes);
  return widen(holes, range);
}

void DirectTarget::write(std::uint64_t offset, util::Bytes bytes) {
  for_each_aligned_piece(bytes, [&](std::uint64_t at, util::Bytes piece) {
    failed_.run(
        {offset + at, piece.size()},
        [&] { util::pwrite_full(fd_.get(), piece, offset + at, name_); },
        [this](util::ByteRange range) { return cache::punch_unwritten(fd_.get(), range, name_); });
  });
}

bool DirectTarget::is_at(const std::filesystem::path& path) const {
  struct stat ours {
  }, there{};
  return ::fstat(fd_.get(), &ours) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

}  // namespace ondemand::transport
