// SPDX-License-Identifier: Apache-2.0
#include "view/frame_cache.h"

namespace ondemand::view {

FrameCache::Frame FrameCache::get(std::uint32_t blob, std::size_t index,
                                  const std::function<util::Buffer()>& load) {
  const Key key{blob, index};
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().frame;
  }
  const auto frame = std::make_shared<const util::Buffer>(load());
  bytes_ += frame->size();
  entries_.push_front({key, frame});
  by_key_[key] = entries_.begin();
  while (bytes_ > limit_ && entries_.size() > 1) {
    bytes_ -= entries_.back().frame->size();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return frame;
}

}  // namespace ondemand::view
