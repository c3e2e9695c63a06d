// SPDX-License-Identifier: Apache-2.0
#include "blobctl/tar_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

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
  const std::filesystem::path target = std::filesystem::absolute(path);
  util::AtomicFile file(target.parent_path());
  FdSink sink(file.fd(), name);
  write(sink);
  sink.flush();
  file.commit(target, util::Durability::kSync);
}

}  // namespace ondemand::blobctl
