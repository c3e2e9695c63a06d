// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "transport/event_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto decoded = ondemand::transport::decode_events({data, size});
  // Each event takes at least its 24 bytes, and only real descriptors come out.
  if (decoded.events.size() + decoded.overflows > size / 24) __builtin_trap();
  for (const auto& event : decoded.events)
    if (event.fd < 0) __builtin_trap();
  return 0;
}
