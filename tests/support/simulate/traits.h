// SPDX-License-Identifier: Apache-2.0
//
// In what the simulated kernels differ.  Source: doc/KERNEL.md 2; runs on 6.1 and 6.12.
#pragma once

#include <cstdint>

namespace ondemand::simulate {

enum class Release { k6_1, k6_12 };

struct Traits {
  Release release = Release::k6_12;
  // Our series: /dev/cachefiles_demand, the mark, EIO where 6.1 had ENOBUFS, and no write at a
  // rounded offset on 6.1.
  bool has_series = true;
  bool has_compat_node = false;        // cachefiles.demand_compat=1
  bool has_ondemand = true;            // CONFIG_CACHEFILES_ONDEMAND
  std::uint32_t first_message_id = 0;  // to see ids wrap
};

}  // namespace ondemand::simulate
