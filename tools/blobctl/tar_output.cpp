// SPDX-License-Identifier: Apache-2.0
#include "blobctl/tar_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <optional>

#include "util/atomic_file.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;

class StreamSink : public util::ByteSink {
 public:
  explicit StreamSink(std::ostream& out) : out_(out) {}
  void write(util::Bytes bytes) override {
    out_.write(util::as_text(bytes).data(), static_cast<std::streamsize>(bytes.size()));
    if (!out_) throw util::Error(util::ErrorCode::kIo, "standard output: write: failed");
  }

 private:
  std::ostream& out_;
};

// Gathers small pieces.
class FdSink : public util::ByteSink {
 public:
  FdSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  void write(util::Bytes bytes) override {
    if (buffer_.size() + bytes.size() > kBufferBytes) flush();
    if (bytes.size() >= kBufferBytes)
      util::write_full(fd_, bytes, name_);
    else
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
  void flush() {
    util::write_full(fd_, buffer_, name_);
    buffer_.clear();
  }

 private:
  int fd_;
  std::string name_;
  util::Buffer buffer_;
};

bool is_replaceable(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode);
}

constexpr mode_t kPermissions = 0777;

// Of the file that is replaced; nullopt: there is none.
std::optional<mode_t> permissions_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status.st_mode & kPermissions;
}

// There is no way to ask for it; what is made meanwhile is nobody else's.
mode_t current_umask() {
  const mode_t mask = ::umask(0077);
  ::umask(mask);
  return mask;
}

// The file that a link stands for, also one that is not there yet: it is replaced, not the link.
std::filesystem::path resolve(std::filesystem::path path, const std::string& name) {
  constexpr int kMaxLinks = 40;  // as the kernel's (path_resolution(7))
  for (int i = 0; i < kMaxLinks; ++i) {
    std::error_code error;
    const std::filesystem::path link = std::filesystem::read_symlink(path, error);
    if (error) return path;
    path = path.parent_path() / link;
  }
  throw util::errno_error(name, "resolve", ELOOP);
}

// A file that is gone with this process until it has a name; none where the file system has no
// such files (or we have no way to name one).
util::Fd open_nameless(const std::filesystem::path& directory) {
  if (::access("/proc/self/fd", X_OK) != 0) return {};
  return util::Fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
}

void give_name(int fd, const std::filesystem::path& target, const std::string& name) {
  const std::string self = util::concat("/proc/self/fd/", fd);
  const auto link = [&self](const std::string& path) {
    return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  if (link(target.native())) return;
  // What is there is replaced at once: a name beside it, then rename.
  for (unsigned i = 0; errno == EEXIST && i < 100; ++i) {
    const std::string beside =
        (target.parent_path() / util::concat(".tmp-", ::getpid(), "-", i)).native();
    if (!link(beside)) continue;
    if (::rename(beside.c_str(), target.c_str()) == 0) return;
    const int saved = errno;
    ::unlink(beside.c_str());
    throw util::errno_error(name, "rename into place", saved);
  }
  throw util::errno_error(name, "give it its name", errno);
}

}  // namespace

void write_output(const std::string& path, cli::Io& io,
                  const std::function<void(util::ByteSink&)>& write) {
  if (path.empty()) {
    if (&io.out == &std::cout && ::isatty(STDOUT_FILENO) == 1)
      throw util::Error(util::ErrorCode::kUsage,
                        "standard output: write: is a terminal; name a file with --output");
    StreamSink sink(io.out);
    write(sink);
    return;
  }
  const std::string name = util::printable(path);
  if (!is_replaceable(path)) {
    const util::Fd fd = util::open_file(path, O_WRONLY);
    FdSink sink(fd.get(), name);
    write(sink);
    sink.flush();
    return;
  }
  const std::filesystem::path target = resolve(std::filesystem::absolute(path), name);
  const auto write_to = [&](int fd) {
    FdSink sink(fd, name);
    write(sink);
    sink.flush();
  };
  const std::optional<mode_t> mode = permissions_of(target);
  if (const util::Fd fd = open_nameless(target.parent_path())) {
    if (mode && ::fchmod(fd.get(), *mode) != 0) throw util::errno_error(name, "set mode", errno);
    write_to(fd.get());
    util::fsync_fd(fd.get(), name);
    give_name(fd.get(), target, name);
    util::fsync_directory(target.parent_path());
    return;
  }
  util::AtomicFile file(target.parent_path(), mode ? *mode : 0666 & ~current_umask());
  write_to(file.fd());
  file.commit(target, util::Durability::kSync);
}

}  // namespace ondemand::blobctl
