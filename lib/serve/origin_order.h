// SPDX-License-Identifier: Apache-2.0
//
// Which origin is asked first: each in its place, but one that let a fetch wait in vain is asked
// last for a while, so that a dead server does not cost every read its share of the time.  Behind
// that while one fetch tries it in its place again.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <vector>

#include "util/error.h"

namespace ondemand::serve {

class OriginOrder {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kRest{30};

  // Of an error of an origin that came `taken` after it was first asked.  A refusal that comes at
  // once (401, or 403 in place of 404) is nothing to wait for.
  static bool is_worth_a_rest(util::ErrorCode code, std::chrono::steady_clock::duration taken);

  explicit OriginOrder(std::size_t count) : rest_until_(count) {}

  // Every index below `count` once, in the order in which they are to be asked now.
  std::vector<std::size_t> order(TimePoint now);
  void answered(std::size_t origin) { rest_until_[origin] = TimePoint(); }
  void failed(std::size_t origin, TimePoint now) { rest_until_[origin] = now + kRest; }

 private:
  std::vector<std::atomic<TimePoint>> rest_until_;  // TimePoint() = in its place
};

}  // namespace ondemand::serve
