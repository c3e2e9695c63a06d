// SPDX-License-Identifier: Apache-2.0
//
// An owning file descriptor and full-length I/O on it.  All functions retry EINTR and throw
// util::Error (kNotFound for ENOENT, else kIo with the errno) whose object is `name`.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::util {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}  // takes ownership; -1 = none
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  explicit operator bool() const { return is_open(); }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC added.
Fd open_file(const std::filesystem::path& path, int flags, mode_t mode = 0666);

// Up to out.size() bytes; 0 at the end of the file.
std::size_t read_some(int fd, MutableBytes out, std::string_view name);
// Exactly out.size() bytes at `offset`; kCorrupt when the file ends before.
void pread_full(int fd, MutableBytes out, std::uint64_t offset, std::string_view name);
// Up to out.size() bytes at `offset`, fewer only at the end of the file.
std::size_t pread_some(int fd, MutableBytes out, std::uint64_t offset, std::string_view name);
void write_full(int fd, Bytes bytes, std::string_view name);
void pwrite_full(int fd, Bytes bytes, std::uint64_t offset, std::string_view name);
void fsync_fd(int fd, std::string_view name);
std::uint64_t file_size(int fd, std::string_view name);

// Whole small files.  kTooLarge when the file is longer than `limit` bytes.
Buffer read_file(const std::filesystem::path& path, std::uint64_t limit);
std::string read_text_file(const std::filesystem::path& path, std::uint64_t limit);

// fsync of a directory, so that a rename in it survives a power cut; does nothing on file systems
// that know it for files only.
void fsync_directory(const std::filesystem::path& path);

}  // namespace ondemand::util
