// SPDX-License-Identifier: Apache-2.0
//
// The frames that were decompressed last, of all blobs of an image together: files share chunks,
// and neighbours share frames.
//
// Thread: one user at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <utility>

#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::view {

class FrameCache {
 public:
  using Frame = std::shared_ptr<const util::Buffer>;
  static constexpr std::size_t kDefaultBytes = 32 * std::size_t{util::kMiB};

  // Keeps `limit` bytes, and at least the last frame.
  explicit FrameCache(std::size_t limit = kDefaultBytes) : limit_(limit) {}

  // The frame `index` of blob number `blob`; `load` makes it when it is not here.
  Frame get(std::uint32_t blob, std::size_t index, const std::function<util::Buffer()>& load);

 private:
  using Key = std::pair<std::uint32_t, std::size_t>;
  struct Entry {
    Key key;
    Frame frame;
  };
  const std::size_t limit_;
  std::size_t bytes_ = 0;
  std::list<Entry> entries_;  // the one used last in front
  std::map<Key, std::list<Entry>::iterator> by_key_;
};

}  // namespace ondemand::view
