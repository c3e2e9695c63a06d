// SPDX-License-Identifier: Apache-2.0
#include "transport/failed_writes.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace ondemand::transport {

using util::ByteRange;

void FailedWrites::run(ByteRange range, const std::function<void()>& write,
                       const std::function<bool(ByteRange)>& punch) {
  try {
    const std::shared_lock lock(writing_);
    write();
  } catch (...) {
    mend(range, punch);
    throw;
  }
  forget(range);
}

void FailedWrites::mend(ByteRange range, const std::function<bool(ByteRange)>& punch) {
  const std::unique_lock alone(writing_);
  bool is_mended = false;
  try {
    is_mended = punch(range);
  } catch (const std::exception&) {
    // The reason why the write failed is the one that a person must know.
  }
  if (is_mended) return;
  const std::lock_guard lock(mutex_);
  if (std::find(left_over_.begin(), left_over_.end(), range) == left_over_.end())
    left_over_.push_back(range);
}

void FailedWrites::forget(ByteRange range) {
  const std::lock_guard lock(mutex_);
  if (left_over_.empty()) return;
  // Pieces of a later write need not be those that failed.
  std::vector<ByteRange> rest;
  for (const ByteRange& left : left_over_) {
    const std::uint64_t before = std::min(left.end(), range.offset);
    const std::uint64_t behind = std::max(left.offset, range.end());
    if (left.offset < before) rest.push_back({left.offset, before - left.offset});
    if (behind < left.end()) rest.push_back({behind, left.end() - behind});
  }
  left_over_ = std::move(rest);
}

void FailedWrites::add_left_over(ByteRange range, std::vector<ByteRange>& holes) const {
  const std::lock_guard lock(mutex_);
  if (left_over_.empty()) return;
  for (const ByteRange& left : left_over_) {
    const std::uint64_t begin = std::max(left.offset, range.offset);
    const std::uint64_t end = std::min(left.end(), range.end());
    if (begin < end) holes.push_back({begin, end - begin});
  }
  std::sort(holes.begin(), holes.end());
}

}  // namespace ondemand::transport
