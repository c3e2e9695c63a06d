// SPDX-License-Identifier: Apache-2.0
//
// The two byte-stream interfaces that the data path is built of.  Thread: one user at a time.
#pragma once

#include <cstddef>
#include <string>

#include "util/bytes.h"
#include "util/fd.h"

namespace ondemand::util {

// A forward-only source of bytes.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills up to out.size() (> 0) bytes and returns how many; 0 means the end, and only the end.
  virtual std::size_t read(MutableBytes out) = 0;
};

// A forward-only receiver of bytes.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(Bytes bytes) = 0;
};

// Reads an open descriptor from its current position.  Owns it.
class FdSource : public ByteSource {
 public:
  FdSource(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  std::size_t read(MutableBytes out) override { return read_some(fd_.get(), out, name_); }

 private:
  Fd fd_;
  std::string name_;
};

// Reads a range of a file that others may read at the same time (pread).  Borrows the descriptor.
// Ends early if the file does.
class FdRangeSource : public ByteSource {
 public:
  FdRangeSource(int fd, ByteRange range, std::string name)
      : fd_(fd), range_(range), name_(std::move(name)) {}
  std::size_t read(MutableBytes out) override;

 private:
  int fd_;
  ByteRange range_;
  std::string name_;
};

// Bytes in memory.  Borrows them.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(Bytes bytes) : bytes_(bytes) {}
  std::size_t read(MutableBytes out) override;

 private:
  Bytes bytes_;
};

class BufferSink : public ByteSink {
 public:
  void write(Bytes bytes) override { buffer.insert(buffer.end(), bytes.begin(), bytes.end()); }
  Buffer buffer;
};

// Everything up to the end.  kTooLarge when there are more than `limit` bytes; `name` for messages.
Buffer read_all(ByteSource& source, std::uint64_t limit, std::string_view name);
// Reads until `out` is full or the source ends; returns the bytes read.
std::size_t read_fully(ByteSource& source, MutableBytes out);

}  // namespace ondemand::util
