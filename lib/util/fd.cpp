// SPDX-License-Identifier: Apache-2.0
#include "util/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::util {

namespace {

// Calls `call` until it is not interrupted; throws for any other failure.
template <class Call>
std::size_t retry(Call call, std::string_view name, std::string_view action) {
  for (;;) {
    const ssize_t result = call();
    if (result >= 0) return static_cast<std::size_t>(result);
    if (errno != EINTR) throw errno_error(name, action, errno);
  }
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Fd open_file(const std::filesystem::path& path, int flags, mode_t mode) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) throw errno_error(printable(path.native()), "open", errno);
  }
}

std::size_t read_some(int fd, MutableBytes out, std::string_view name) {
  return retry([&] { return ::read(fd, out.data(), out.size()); }, name, "read");
}

std::size_t pread_some(int fd, MutableBytes out, std::uint64_t offset, std::string_view name) {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t got = retry(
        [&] {
          return ::pread(fd, out.data() + done, out.size() - done,
                         static_cast<off_t>(offset + done));
        },
        name, "read");
    if (got == 0) break;
    done += got;
  }
  return done;
}

void pread_full(int fd, MutableBytes out, std::uint64_t offset, std::string_view name) {
  const std::size_t got = pread_some(fd, out, offset, name);
  if (got < out.size()) {
    throw Error(ErrorCode::kCorrupt, concat(name, ": read: file ends at 0x", to_hex(offset + got),
                                            ", ", out.size() - got, " bytes too early"));
  }
}

void write_full(int fd, Bytes bytes, std::string_view name) {
  while (!bytes.empty()) {
    bytes = bytes.subspan(
        retry([&] { return ::write(fd, bytes.data(), bytes.size()); }, name, "write"));
  }
}

void pwrite_full(int fd, Bytes bytes, std::uint64_t offset, std::string_view name) {
  while (!bytes.empty()) {
    const std::size_t done =
        retry([&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); },
              name, "write");
    bytes = bytes.subspan(done);
    offset += done;
  }
}

void fsync_fd(int fd, std::string_view name) {
  retry([&] { return ::fsync(fd); }, name, "sync");
}

std::uint64_t file_size(int fd, std::string_view name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw errno_error(name, "stat", errno);
  return static_cast<std::uint64_t>(status.st_size);
}

Buffer read_file(const std::filesystem::path& path, std::uint64_t limit) {
  const std::string name = printable(path.native());
  const Fd fd = open_file(path, O_RDONLY);
  Buffer out;
  Buffer piece(64 * kKiB);
  for (;;) {
    const std::size_t got = read_some(fd.get(), piece, name);
    if (got == 0) return out;
    if (out.size() + got > limit)
      throw Error(ErrorCode::kTooLarge, concat(name, ": read: longer than ", limit, " bytes"));
    out.insert(out.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
}

std::string read_text_file(const std::filesystem::path& path, std::uint64_t limit) {
  const Buffer bytes = read_file(path, limit);
  return std::string(as_text(bytes));
}

void fsync_directory(const std::filesystem::path& path) {
  const Fd fd = open_file(path, O_RDONLY | O_DIRECTORY);
  // Source: fsync(2): EINVAL, no support for synchronization.  Some network file systems have none
  // for directories; there nothing more can be done.
  retry(
      [&] {
        const int result = ::fsync(fd.get());
        return result != 0 && errno == EINVAL ? 0 : result;
      },
      printable(path.native()), "sync");
}

}  // namespace ondemand::util
