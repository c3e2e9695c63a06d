// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "store/store.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::store {

namespace {
// Unit: bytes that are written before the kernel is told to send them to the disk.
constexpr std::uint64_t kSendBytes = 8 * std::uint64_t{util::kMiB};
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
  const bool sync = durability_ == util::Durability::kSync;
  const std::uint64_t size = util::file_size(fd_.get(), name_);
  const std::filesystem::path final_path = blobs_ / digest.hex();
  // Also over an equal object: ours is known to be right and, with kSync, on the disk; the other
  // may have been damaged since.  Its readers keep the file that they opened.
  if (sync) util::fsync_fd(fd_.get(), name_);
  if (::rename(temporary_.c_str(), final_path.c_str()) != 0)
    throw util::errno_error(util::printable(final_path.native()), "rename into place", errno);
  temporary_.clear();
  fd_.reset();
  return size;
}

}  // namespace ondemand::store
