// SPDX-License-Identifier: Apache-2.0
//
// A place for a stream that must be read again or out of order: memory at first, an unlinked
// temporary file when it grows.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "util/bytes.h"
#include "util/fd.h"
#include "util/stream.h"

namespace ondemand::input {

// $TMPDIR when it is an absolute path, else /var/tmp: copies of images are large, and /tmp is often
// memory.
std::filesystem::path default_temporary_directory();

// A file without a name in `directory`, gone with its descriptor.  Throws kIo, kNotFound.
util::Fd open_unlinked_file(const std::filesystem::path& directory);

class Spool {
 public:
  // Unit: bytes that are kept in memory.
  static constexpr std::size_t kMemoryLimit = 4 * 1024 * 1024;

  explicit Spool(std::filesystem::path directory) : directory_(std::move(directory)) {}

  void append(util::Bytes bytes);
  std::uint64_t size() const { return size_; }
  // Up to out.size() bytes at `offset`, fewer only at the end.
  std::size_t read_at(util::MutableBytes out, std::uint64_t offset) const;
  // Moves everything into the file, if it is not there yet, and gives it away.
  util::Fd take_file();

 private:
  void spill();

  std::filesystem::path directory_;
  util::Buffer memory_;
  util::Fd file_;
  std::uint64_t size_ = 0;
};

// Passes a stream through and keeps a copy of all that passed.  Borrows both.  Throws kTooLarge
// beyond `limit` bytes; `name` is for that message.
class TeeSource : public util::ByteSource {
 public:
  TeeSource(util::ByteSource& inner, Spool& spool, std::uint64_t limit, std::string name)
      : inner_(inner), spool_(spool), limit_(limit), name_(std::move(name)) {}
  // Borrows the counter of what was kept; read from any thread.
  void tell(std::atomic<std::uint64_t>* kept) { kept_ = kept; }
  std::size_t read(util::MutableBytes out) override;

 private:
  util::ByteSource& inner_;
  Spool& spool_;
  std::atomic<std::uint64_t>* kept_ = nullptr;
  std::uint64_t limit_;
  std::string name_;
};

// What the spool holds, then what is left of the stream.  Owns both.
class ReplaySource : public util::ByteSource {
 public:
  ReplaySource(std::unique_ptr<Spool> spool, std::unique_ptr<util::ByteSource> rest)
      : spool_(std::move(spool)), rest_(std::move(rest)) {}
  std::size_t read(util::MutableBytes out) override;

 private:
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<util::ByteSource> rest_;
  std::uint64_t position_ = 0;
};

}  // namespace ondemand::input
