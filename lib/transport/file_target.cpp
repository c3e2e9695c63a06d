// SPDX-License-Identifier: Apache-2.0
#include "transport/file_target.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cache/extents.h"
#include "util/error.h"
#include "util/text.h"

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

FileTarget::FileTarget(util::Fd query, std::string name, WriteJournal* writes, bool checks_room)
    : name_(std::move(name)),
      query_(std::move(query)),
      size_(util::file_size(query_.get(), name_)),
      writes_(writes),
      checks_room_(checks_room),
      key_(key_of(query_.get(), name_)) {
  if (writes_ == nullptr) return;
  for (const WriteJournal::Entry& entry : writes_->entries(key_))
    writing_.push_back({entry.range, entry.slot, true});
}

// The file system may count a block as data as soon as room for it is reserved, before its bytes
// are in the page cache; a direct read would then find zeros.  So blocks that are being written
// are missing.  First the file is asked, then the list: a write that ended in between is whole.
// Unless it failed: then the file is asked again.
std::vector<ByteRange> FileTarget::missing(ByteRange range) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::uint64_t failures = failures_;
    lock.unlock();
    std::vector<ByteRange> holes = cache::missing_ranges(query_.get(), range, name_);
    lock.lock();
    if (failures != failures_) continue;
    if (writing_.empty()) return holes;
    for (const Busy& busy : writing_) {
      const std::uint64_t begin = std::max(busy.range.offset, range.offset);
      const std::uint64_t end = std::min(busy.range.end(), range.end());
      if (begin < end) holes.push_back({begin, end - begin});
    }
    return normalized(std::move(holes));
  }
}

// A disk that is full is better noticed before the file system begins with blocks that it cannot
// finish.
void FileTarget::check_room(std::uint64_t bytes) const {
  struct statvfs status {};
  if (!checks_room_ || ::fstatvfs(query_.get(), &status) != 0) return;
  const std::uint64_t room = std::uint64_t{status.f_bfree} * status.f_frsize;
  if (room >= bytes + kRoomMargin) return;
  throw util::Error(util::ErrorCode::kIo,
                    util::concat(name_, ": write: the file system is full: ", bytes,
                                 " bytes wanted, ", room, " free, ", kRoomMargin, " of them kept"));
}

FileTarget::Busy FileTarget::begin_write(ByteRange range, int& fd) {
  const std::lock_guard lock(mutex_);
  fd = fill_.get();
  if (fd < 0) throw util::Error(util::ErrorCode::kInternal, name_ + ": write: no event yet");
  writing_.reserve(writing_.size() + 1);
  Busy busy{range, std::nullopt, false};
  if (writes_ != nullptr) busy.slot = writes_->begin(key_, range);
  writing_.push_back(busy);
  return busy;
}

// Caller holds the mutex.
void FileTarget::forget(const Busy& busy) {
  if (busy.slot) writes_->end(*busy.slot);
}

void FileTarget::end_write(const Busy& busy, bool is_whole, bool is_hole) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(writing_.begin(), writing_.end(), [&](const Busy& other) {
    return !other.is_left_over && other.range == busy.range;
  });
  if (!is_whole) ++failures_;
  if (!is_whole && !is_hole) {
    found->is_left_over = true;  // for ever, or until a later write of it succeeds
    return;
  }
  forget(*found);
  writing_.erase(found);
  if (!is_whole) return;
  for (auto left = writing_.begin(); left != writing_.end();) {
    const bool is_mended = left->is_left_over && left->range.offset >= busy.range.offset &&
                           left->range.end() <= busy.range.end();
    if (is_mended) forget(*left);
    left = is_mended ? writing_.erase(left) : left + 1;
  }
}

void FileTarget::write(std::uint64_t offset, util::Bytes bytes) {
  check_room(bytes.size());
  int fd = -1;
  const Busy busy = begin_write({offset, bytes.size()}, fd);
  try {
    util::pwrite_full(fd, bytes, offset, name_);
  } catch (...) {
    end_write(busy, false, cache::punch_hole(fd, busy.range));
    throw;
  }
  end_write(busy, true, false);
}

void FileTarget::offer_event_fd(int event_fd) {
  const std::lock_guard lock(mutex_);
  if (fill_) return;
  const int fd = ::fcntl(event_fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) throw util::errno_error(name_, "duplicate descriptor", errno);
  fill_ = util::Fd(fd);
  // Nobody was ever allowed to read those, and nobody writes them: there was no descriptor.
  for (auto left = writing_.begin(); left != writing_.end();) {
    const bool is_hole = cache::punch_hole(fd, left->range);
    if (is_hole) forget(*left);
    left = is_hole ? writing_.erase(left) : left + 1;
  }
  ++failures_;
}

bool FileTarget::is_complete() {
  if (util::file_size(query_.get(), name_) != size_) return false;
  std::uint64_t from = 0;
  std::uint64_t looks = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!writing_.empty()) return false;
    from = complete_up_to_;
    looks = looks_;
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
  // Else others had reason to look again meanwhile: what we saw may have been before that.
  if (looks == looks_) complete_up_to_ = std::max(complete_up_to_, up_to);
  return up_to >= size_;
}

void FileTarget::look_again() {
  const std::lock_guard lock(mutex_);
  complete_up_to_ = 0;
  ++looks_;
}

bool FileTarget::is_complete_and_synced() {
  if (::fdatasync(query_.get()) != 0) throw util::errno_error(name_, "sync", errno);
  const bool is_whole =
      util::file_size(query_.get(), name_) == size_ && missing({0, size_}).empty();
  if (!is_whole) look_again();
  return is_whole;
}

}  // namespace ondemand::transport
