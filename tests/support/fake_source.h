// SPDX-License-Identifier: Apache-2.0
//
// A source with scripted faults, and a target in memory, for tests of what lies between.
#pragma once

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/target.h"
#include "source/source.h"
#include "util/error.h"

namespace ondemand::test {

class FakeSource : public source::Source {
 public:
  explicit FakeSource(std::string name) : name_(std::move(name)) {}

  void put(const hash::Digest& blob, util::Buffer stored) {
    const std::lock_guard lock(mutex_);
    blobs_[blob] = std::move(stored);
  }
  // The next read_blob calls take these, one each, before they look at anything else.
  void fail_next(util::ErrorCode code) {
    const std::lock_guard lock(mutex_);
    faults_.push_back(code);
  }
  void fail_always(std::optional<util::ErrorCode> code) {
    const std::lock_guard lock(mutex_);
    permanent_ = code;
  }
  void flip_byte(const hash::Digest& blob, std::size_t offset) {
    const std::lock_guard lock(mutex_);
    blobs_.at(blob)[offset] ^= 0xff;
  }
  // Reads of this blob stand still until release().
  void hold(const hash::Digest& blob) {
    const std::lock_guard lock(mutex_);
    held_.insert(blob);
  }
  void release(const hash::Digest& blob) {
    const std::lock_guard lock(mutex_);
    held_.erase(blob);
    changed_.notify_all();
  }
  // Returns when `count` reads have begun (finished or not).
  void wait_for_reads(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reads_.size() >= count; });
  }
  std::vector<util::ByteRange> reads() const {
    const std::lock_guard lock(mutex_);
    return reads_;
  }

  const std::string& name() const override { return name_; }
  std::optional<source::ManifestBytes> find_manifest(std::string_view, source::Deadline) override {
    return std::nullopt;
  }
  bool read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                 source::Deadline) override {
    std::unique_lock lock(mutex_);
    reads_.push_back({offset, out.size()});
    changed_.notify_all();
    changed_.wait(lock, [&] { return held_.count(blob) == 0; });
    if (!faults_.empty()) {
      const util::ErrorCode code = faults_.front();
      faults_.pop_front();
      throw util::Error(code, "scripted fault");
    }
    if (permanent_) throw util::Error(*permanent_, "scripted permanent fault");
    const auto found = blobs_.find(blob);
    if (found == blobs_.end()) return false;
    if (offset + out.size() > found->second.size())
      throw util::Error(util::ErrorCode::kUnavailable, "short body");
    std::memcpy(out.data(), found->second.data() + offset, out.size());
    return true;
  }
  bool copy_blob(const hash::Digest&, std::uint64_t, util::ByteSink&,
                 std::chrono::milliseconds) override {
    return false;
  }

 private:
  const std::string name_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<hash::Digest, util::Buffer> blobs_;
  std::deque<util::ErrorCode> faults_;
  std::optional<util::ErrorCode> permanent_;
  std::set<hash::Digest> held_;
  std::vector<util::ByteRange> reads_;
};

// A sparse file in memory, in blocks.  Remembers every write.
class MemoryTarget : public serve::Target {
 public:
  explicit MemoryTarget(std::uint64_t size)
      : bytes_(static_cast<std::size_t>(size)),
        present_(static_cast<std::size_t>(size / serve::kBlockBytes)) {}

  const std::string& name() const override { return name_; }
  std::vector<util::ByteRange> missing(util::ByteRange range) override {
    const std::lock_guard lock(mutex_);
    std::vector<util::ByteRange> holes;
    if (range.empty()) return holes;
    if (outdated_ > 0) {
      --outdated_;
      return {range};
    }
    for (std::uint64_t block = range.offset / serve::kBlockBytes;
         block * serve::kBlockBytes < range.end(); ++block) {
      if (present_.at(static_cast<std::size_t>(block))) continue;
      const std::uint64_t begin = std::max(range.offset, block * serve::kBlockBytes);
      const std::uint64_t end = std::min(range.end(), (block + 1) * serve::kBlockBytes);
      if (!holes.empty() && holes.back().end() == begin) {
        holes.back().len += end - begin;
      } else {
        holes.push_back({begin, end - begin});
      }
    }
    return holes;
  }
  void write(std::uint64_t offset, util::Bytes bytes) override {
    const std::lock_guard lock(mutex_);
    if (full_) throw util::errno_error(name_, "write", 28 /* ENOSPC */);
    if (offset % serve::kBlockBytes != 0 || bytes.size() % serve::kBlockBytes != 0)
      throw util::Error(util::ErrorCode::kInternal, "target: write: not whole blocks");
    std::memcpy(bytes_.data() + offset, bytes.data(), bytes.size());
    for (std::size_t i = 0; i < bytes.size() / serve::kBlockBytes; ++i) {
      if (present_.at(offset / serve::kBlockBytes + i)) ++overwritten_;
      present_.at(offset / serve::kBlockBytes + i) = true;
    }
    writes_.push_back({offset, bytes.size()});
  }

  void set_full(bool full) {
    const std::lock_guard lock(mutex_);
    full_ = full;
  }
  // The next answer is what was true before anything was written: the question of a reader whose
  // range is filled right behind it.
  void answer_late() {
    const std::lock_guard lock(mutex_);
    ++outdated_;
  }
  util::Buffer bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  std::vector<util::ByteRange> writes() const {
    const std::lock_guard lock(mutex_);
    return writes_;
  }
  std::size_t overwritten_blocks() const {
    const std::lock_guard lock(mutex_);
    return overwritten_;
  }

 private:
  const std::string name_ = "memory";
  mutable std::mutex mutex_;
  util::Buffer bytes_;
  std::vector<bool> present_;
  std::vector<util::ByteRange> writes_;
  bool full_ = false;
  int outdated_ = 0;
  std::size_t overwritten_ = 0;
};

}  // namespace ondemand::test
