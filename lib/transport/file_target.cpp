// SPDX-License-Identifier: Apache-2.0
#include "transport/file_target.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "cache/extents.h"
#include "util/error.h"

namespace ondemand::transport {

using util::ByteRange;

namespace {

// Sorted, and what touches is joined.
std::vector<ByteRange> normalized(std::vector<ByteRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<ByteRange> joined;
  for (const ByteRange& range : ranges) {
    if (!joined.empty() && range.offset <= joined.back().end()) {
      joined.back().len = std::max(joined.back().end(), range.end()) - joined.back().offset;
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

}  // namespace

FileTarget::FileTarget(util::Fd query, std::string name)
    : name_(std::move(name)),
      query_(std::move(query)),
      size_(util::file_size(query_.get(), name_)) {}

// The file system may count a block as data as soon as room for it is reserved, before its bytes
// are in the page cache; a direct read would then find zeros.  So blocks that are being written
// are missing.  First the file is asked, then the list: a write that ended in between is whole.
std::vector<ByteRange> FileTarget::missing(ByteRange range) {
  std::vector<ByteRange> holes = cache::missing_ranges(query_.get(), range, name_);
  const std::lock_guard lock(mutex_);
  if (writing_.empty()) return holes;
  for (const ByteRange& busy : writing_) {
    const std::uint64_t begin = std::max(busy.offset, range.offset);
    const std::uint64_t end = std::min(busy.end(), range.end());
    if (begin < end) holes.push_back({begin, end - begin});
  }
  return normalized(std::move(holes));
}

void FileTarget::write(std::uint64_t offset, util::Bytes bytes) {
  const ByteRange range{offset, bytes.size()};
  int fd = -1;
  {
    const std::lock_guard lock(mutex_);
    fd = fill_.get();
    if (fd < 0) throw util::Error(util::ErrorCode::kInternal, name_ + ": write: no event yet");
    writing_.push_back(range);
  }
  const auto end_write = [&] {
    const std::lock_guard lock(mutex_);
    writing_.erase(std::find(writing_.begin(), writing_.end(), range));
  };
  try {
    util::pwrite_full(fd, bytes, offset, name_);
  } catch (...) {
    end_write();
    throw;
  }
  end_write();
}

void FileTarget::offer_event_fd(int event_fd) {
  const std::lock_guard lock(mutex_);
  if (fill_) return;
  const int fd = ::fcntl(event_fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) throw util::errno_error(name_, "duplicate descriptor", errno);
  fill_ = util::Fd(fd);
}

bool FileTarget::is_complete() {
  std::uint64_t from = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!writing_.empty()) return false;
    from = complete_up_to_;
  }
  std::uint64_t up_to = size_;
  if (from < size_) {
    // Stops at the first hole: asks only for a window at a time.
    constexpr std::uint64_t kWindow = 64 * std::uint64_t{util::kMiB};
    for (up_to = from; up_to < size_;) {
      const ByteRange window{up_to, std::min(kWindow, size_ - up_to)};
      const auto holes = missing(window);
      if (!holes.empty()) {
        up_to = holes.front().offset;
        break;
      }
      up_to = window.end();
    }
  }
  const std::lock_guard lock(mutex_);
  complete_up_to_ = std::max(complete_up_to_, up_to);
  return up_to >= size_;
}

}  // namespace ondemand::transport
