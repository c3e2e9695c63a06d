// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "store/keep_access.h"
#include "store/store.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::store {

namespace {
// Unit: bytes that are written before the kernel is told to send them to the disk.
constexpr std::uint64_t kSendBytes = 8 * std::uint64_t{util::kMiB};

bool hold_the_same(int a, int b, std::uint64_t size, std::string_view name) {
  util::Buffer left(static_cast<std::size_t>(std::min<std::uint64_t>(size, util::kMiB)));
  util::Buffer right(left.size());
  for (std::uint64_t at = 0; at < size; at += left.size()) {
    const auto len = static_cast<std::size_t>(std::min<std::uint64_t>(left.size(), size - at));
    const util::MutableBytes one = util::MutableBytes(left).first(len);
    const util::MutableBytes other = util::MutableBytes(right).first(len);
    if (util::pread_some(a, one, at, name) != len || util::pread_some(b, other, at, name) != len ||
        !std::equal(one.begin(), one.end(), other.begin()))
      return false;
  }
  return true;
}

// Is the regular file at `path` equal to `fd`?  One that cannot be read is not.
bool is_equal_object(const std::filesystem::path& path, int fd, std::uint64_t size,
                     std::string_view name) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<std::uint64_t>(status.st_size) != size)
    return false;
  try {
    return hold_the_same(util::open_file(path, O_RDONLY).get(), fd, size, name);
  } catch (const util::Error&) {
    return false;
  }
}
}  // namespace

StagedBlob::StagedBlob(const Store& store, std::shared_ptr<RunDirectory> run)
    : run_(std::move(run)),
      blobs_(store.blobs_directory()),
      durability_(store.durability_),
      name_(store.name()),
      temporary_(run_->new_path()),
      fd_(util::open_file(temporary_, O_RDWR | O_CREAT | O_EXCL)) {}

StagedBlob::StagedBlob(StagedBlob&& other) noexcept
    : run_(std::move(other.run_)),
      blobs_(std::move(other.blobs_)),
      durability_(other.durability_),
      name_(std::move(other.name_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::move(other.fd_)),
      written_(other.written_),
      sent_(other.sent_) {
  other.temporary_.clear();
}

StagedBlob::~StagedBlob() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void StagedBlob::write(util::Bytes bytes) {
  util::write_full(fd_.get(), bytes, name_);
  written_ += bytes.size();
  if (durability_ != util::Durability::kSync || written_ - sent_ < kSendBytes) return;
  // The disk may as well begin now: the fsync at the end then waits for the rest only.  A hint;
  // what it does not do, and its errors, are the fsync's.
  ::sync_file_range(fd_.get(), static_cast<off_t>(sent_), static_cast<off_t>(written_ - sent_),
                    SYNC_FILE_RANGE_WRITE);
  sent_ = written_;
}

std::uint64_t StagedBlob::commit(const hash::Digest& digest) {
  ASSERT(!temporary_.empty());
  const std::uint64_t size = util::file_size(fd_.get(), name_);
  const std::filesystem::path final_path = blobs_ / digest.hex();
  if (durability_ == util::Durability::kSync || !commit_unsynced(final_path, size)) {
    // Also over an equal object: ours is known to be right and on the disk; the other may have been
    // damaged since.  Its readers keep the file that they opened.
    keep_access(fd_.get(), final_path);
    util::fsync_fd(fd_.get(), name_);
    if (::rename(temporary_.c_str(), final_path.c_str()) != 0)
      throw util::errno_error(util::printable(final_path.native()), "rename into place", errno);
  }
  temporary_.clear();
  fd_.reset();
  return size;
}

// What is not on the disk yet may take a name that is free; under one that is taken there may be an
// object on the disk that other images need.  False: that object is damaged (or the file system
// cannot tell), and only a synced one may replace it.
bool StagedBlob::commit_unsynced(const std::filesystem::path& final_path, std::uint64_t size) {
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, final_path.c_str(), RENAME_NOREPLACE) ==
      0)
    return true;
  if (errno != EEXIST || !is_equal_object(final_path, fd_.get(), size, name_)) return false;
  if (::unlink(temporary_.c_str()) != 0) throw util::errno_error(name_, "remove", errno);
  return true;
}

}  // namespace ondemand::store
