// SPDX-License-Identifier: Apache-2.0
#include "serve/origin_order.h"

namespace ondemand::serve {

bool OriginOrder::is_worth_a_rest(util::ErrorCode code, std::chrono::steady_clock::duration taken) {
  // Less than the pauses between attempts that fail (source/retry.h).
  constexpr std::chrono::milliseconds kAtOnce{100};
  return code == util::ErrorCode::kTimeout ||
         (code == util::ErrorCode::kUnavailable && taken >= kAtOnce);
}

std::vector<std::size_t> OriginOrder::order(TimePoint now) {
  std::vector<std::size_t> out;
  std::vector<std::size_t> resting;
  for (std::size_t i = 0; i < rest_until_.size(); ++i) {
    TimePoint until = rest_until_[i].load();
    const bool is_well = until == TimePoint();
    // Of those that come behind its rest, the first one takes it upon itself.
    const bool is_trial =
        !is_well && now >= until && rest_until_[i].compare_exchange_strong(until, now + kRest);
    (is_well || is_trial ? out : resting).push_back(i);
  }
  out.insert(out.end(), resting.begin(), resting.end());
  return out;
}

}  // namespace ondemand::serve
