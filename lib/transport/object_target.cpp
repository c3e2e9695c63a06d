// SPDX-License-Identifier: Apache-2.0
#include "transport/object_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cache/extents.h"
#include "transport/aligned_pieces.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::transport {

namespace {
// What the kernel means by ENOBUFS.  Source: doc/KERNEL.md 2.4.
constexpr std::string_view kWriteRefused =
    "write (the disk is fuller than the cache's limit bstop, by default 99 %, or the kernel has "
    "closed the object)";
}  // namespace

OpenObjectRef ObjectTarget::current(std::string_view action) const {
  const std::lock_guard lock(mutex_);
  if (!object_) throw util::errno_error(name_, action, ENOBUFS);
  return object_;
}

// What has the name now.
std::optional<ObjectTarget::FileId> ObjectTarget::find_file() const {
  struct stat status {};
  if (path_.empty() || ::lstat(path_.c_str(), &status) != 0) return std::nullopt;
  return FileId{status.st_dev, status.st_ino};
}

void ObjectTarget::attach(OpenObjectRef object) {
  // The descriptor tells nothing of its file but data and holes.  Before the end of the first
  // look-up (ENOBUFS) the kernel has just found the file by its name, or has made one without.
  // Later the name may be another file's.
  const bool is_first = device_.seek_object(object->fd(), 0, SEEK_END) == -ENOBUFS;
  const std::optional<FileId> file = is_first ? find_file() : std::nullopt;
  // The old one is closed after the lock is given back.
  const std::lock_guard lock(mutex_);
  if (object_ && object_->serial() > object->serial()) return;
  if (is_first) file_ = file;
  object_.swap(object);
}

void ObjectTarget::detach(const OpenObjectRef& object) {
  OpenObjectRef old;
  const std::lock_guard lock(mutex_);
  if (object_ == object) old = std::move(object_);
}

// Where data or a hole begins at or behind `from`; `end` when not before that.
std::uint64_t ObjectTarget::seek(int fd, std::uint64_t from, int whence, std::uint64_t end) const {
  const std::int64_t at = device_.seek_object(fd, static_cast<std::int64_t>(from), whence);
  if (at == -ENXIO) return end;  // no data behind it, or the file ends before
  if (at < 0) throw util::errno_error(name_, "look for holes", static_cast<int>(-at));
  // An answer before the question would make the caller go round for ever.
  return std::clamp(static_cast<std::uint64_t>(at), from, end);
}

std::vector<util::ByteRange> ObjectTarget::missing(util::ByteRange range) {
  const OpenObjectRef object = current("look for holes");
  std::vector<util::ByteRange> holes;
  for (std::uint64_t at = range.offset; at < range.end();) {
    const std::uint64_t data = seek(object->fd(), at, SEEK_DATA, range.end());
    if (data > at) holes.push_back({at, data - at});
    if (data >= range.end()) break;
    at = seek(object->fd(), data, SEEK_HOLE, range.end());
    // Data of no length: a device that contradicts itself.
    if (at == data) throw util::errno_error(name_, "look for holes", EIO);
  }
  failed_.add_left_over(range, holes);
  return widen(holes, range);
}

bool ObjectTarget::punch(util::ByteRange range) const {
  if (path_.empty()) return false;
  const util::Fd fd = util::open_file(path_, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw util::errno_error(name_, "look up", errno);
  if (static_cast<std::uint64_t>(status.st_size) != size_) return false;
  std::optional<FileId> file;
  {
    const std::lock_guard lock(mutex_);
    file = file_;
  }
  if (file) {
    if (*file != FileId{status.st_dev, status.st_ino}) return false;
  } else if (cache::intersect(cache::unwritten_ranges(fd.get(), name_), {range}).empty()) {
    // Nothing shows that it is the object's file.  Had it what the write left, it would be: a new
    // one has no extents, and nobody else writes this one.
    return false;
  }
  return cache::punch_unwritten(fd.get(), range, name_);
}

void ObjectTarget::write(std::uint64_t offset, util::Bytes bytes) {
  const OpenObjectRef object = current("write");
  for_each_aligned_piece(bytes, [&](std::uint64_t at, util::Bytes piece) {
    const auto write = [&] {
      const int error = device_.write_object(object->fd(), offset + at, piece);
      if (error == ENOBUFS) throw util::errno_error(name_, kWriteRefused, error);
      if (error != 0) throw util::errno_error(name_, "write", error);
    };
    failed_.run({offset + at, piece.size()}, write,
                [this](util::ByteRange range) { return punch(range); });
  });
}

}  // namespace ondemand::transport
