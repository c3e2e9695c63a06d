// SPDX-License-Identifier: Apache-2.0
#include "input/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::input {

namespace {

constexpr const char* kSpoolName = "temporary copy of the input";

}  // namespace

std::filesystem::path default_temporary_directory() {
  const char* directory = std::getenv("TMPDIR");
  return directory != nullptr && directory[0] == '/' ? directory : "/var/tmp";
}

util::Fd open_unlinked_file(const std::filesystem::path& directory) {
  util::Fd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  // File systems without O_TMPFILE (overlayfs before Linux 6.6, NFS) say so in these two ways.
  if (!fd && (errno == EOPNOTSUPP || errno == EISDIR)) {
    std::string pattern = (directory / ".erofs-ondemand-XXXXXX").native();
    fd = util::Fd(::mkostemp(pattern.data(), O_CLOEXEC));
    if (fd) ::unlink(pattern.c_str());
  }
  if (!fd)
    throw util::errno_error(util::printable(directory.native()), "create temporary file", errno);
  return fd;
}

void Spool::spill() {
  if (file_) return;
  file_ = open_unlinked_file(directory_);
  util::write_full(file_.get(), memory_, kSpoolName);
  memory_ = util::Buffer();
}

void Spool::append(util::Bytes bytes) {
  if (!file_ && memory_.size() + bytes.size() > kMemoryLimit) spill();
  if (file_)
    util::write_full(file_.get(), bytes, kSpoolName);
  else
    memory_.insert(memory_.end(), bytes.begin(), bytes.end());
  size_ += bytes.size();
}

std::size_t Spool::read_at(util::MutableBytes out, std::uint64_t offset) const {
  if (file_) return util::pread_some(file_.get(), out, offset, kSpoolName);
  if (offset >= memory_.size()) return 0;
  const std::size_t len = std::min<std::size_t>(out.size(), memory_.size() - offset);
  std::memcpy(out.data(), memory_.data() + offset, len);
  return len;
}

util::Fd Spool::take_file() {
  spill();
  return std::move(file_);
}

std::size_t TeeSource::read(util::MutableBytes out) {
  const std::size_t got = inner_.read(out);
  if (got > limit_ - std::min(limit_, spool_.size()))
    throw util::Error(util::ErrorCode::kTooLarge,
                      util::concat(name_, ": read: more than ", limit_,
                                   " bytes, uncompressed; --max-bytes allows more"));
  spool_.append(out.first(got));
  if (kept_ != nullptr) *kept_ = spool_.size();
  return got;
}

std::size_t ReplaySource::read(util::MutableBytes out) {
  if (spool_) {
    const std::size_t got = spool_->read_at(out, position_);
    position_ += got;
    if (got > 0) return got;
    spool_.reset();
  }
  return rest_->read(out);
}

}  // namespace ondemand::input
