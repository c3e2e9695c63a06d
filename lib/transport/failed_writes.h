// SPDX-License-Identifier: Apache-2.0
//
// What a direct write that fails leaves in a file.
//
// Into a hole ext4 and xfs first allocate extents that are marked unwritten, and change the mark
// when the bytes are on the disk.  A write that fails in between, a full disk is enough, leaves
// them: they hold no data, but as soon as somebody has read them through the page cache SEEK_DATA
// takes them for data, and a reader gets zeros.  Measured on a full ext4 of Linux 6.18.  So they
// are made holes again at once; where that fails the range stays missing until a write succeeds.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <functional>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "util/units.h"

namespace ondemand::transport {

class FailedWrites {
 public:
  // `write` writes all of the range directly, or throws.  Then `punch` makes holes of what is
  // unwritten in it while nobody writes, says whether all of that is gone, and what `write` threw
  // goes on.
  void run(util::ByteRange range, const std::function<void()>& write,
           const std::function<bool(util::ByteRange)>& punch);
  // Adds what may be there without data to the holes of a file in `range`; sorts them.
  void add_left_over(util::ByteRange range, std::vector<util::ByteRange>& holes) const;

  bool has_left_over() const {
    const std::lock_guard lock(mutex_);
    return !left_over_.empty();
  }

 private:
  void mend(util::ByteRange range, const std::function<bool(util::ByteRange)>& punch);
  void forget(util::ByteRange range);

  std::shared_mutex writing_;  // shared by writes; else a write under way looks unwritten
  mutable std::mutex mutex_;
  std::vector<util::ByteRange> left_over_;  // guarded
};

}  // namespace ondemand::transport
