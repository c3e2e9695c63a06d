// SPDX-License-Identifier: Apache-2.0
#include "transport/cachefiles_survival.h"

#include <poll.h>

#include <array>
#include <cerrno>

#include "cachefiles/abi.h"
#include "cachefiles/commands.h"
#include "cachefiles/demand_message.h"

namespace ondemand::transport {

// Not to the last: a reader that asks again at once would hold the chief here for ever.
void CachefilesSurvival::refuse_what_waits() {
  std::array<std::uint8_t, 2 * cachefiles::abi::kMaxMessageBytes> buffer{};
  for (int i = 0; i < kRefusalsAtOnce; ++i) {
    const cachefiles::Device::Read read = device_.read(buffer);
    if (read.error != 0 || read.bytes == 0) return;
    const auto id = cachefiles::demand_message_id(util::Bytes(buffer).first(read.bytes));
    if (id) device_.command(cachefiles::fail_command(*id, EIO));
  }
}

void CachefilesSurvival::refuse_outstanding() {
  if (mode_ != CachefilesMode::kDemand) return;
  if (device_.command(cachefiles::kRestoreCommand) == 0) refuse_what_waits();
}

void CachefilesSurvival::stand_in(int timeout_ms) {
  if (mode_ != CachefilesMode::kDemand) {
    ::poll(nullptr, 0, timeout_ms);
    return;
  }
  pollfd poll{device_.poll_fd(), POLLIN, 0};
  if (::poll(&poll, 1, timeout_ms) <= 0) return;
  if ((poll.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
    ::poll(nullptr, 0, timeout_ms);
  else
    refuse_what_waits();
}

}  // namespace ondemand::transport
