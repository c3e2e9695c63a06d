// SPDX-License-Identifier: Apache-2.0
#include "transport/guard.h"

#include <unistd.h>

#include <cerrno>
#include <exception>

#include "transport/fanotify_abi.h"
#include "transport/fanotify_transport.h"

namespace ondemand::transport {

void Guard::answer_outstanding() {
  for (const Journal::Pending& pending : journal_.recover())
    answer(pending);
}

std::size_t Guard::step(int timeout_ms) {
  if (!group_.wait(timeout_ms) || !journal_.reserve()) return 0;
  std::size_t len = 0;
  try {
    len = group_.read(journal_.buffer(0));
  } catch (const std::exception&) {
    // The kernel has refused that reader itself.
  }
  const Journal::Batch events = journal_.accept(0, len);
  for (const Journal::Pending& pending : events)
    answer(pending);
  return events.count;
}

void Guard::answer(const Journal::Pending& pending) {
  std::uint32_t response = abi::deny_errno(EIO);
  try {
    const std::uint64_t size = util::file_size(pending.event.fd, "event");
    const util::ByteRange range = wanted_range(pending.event, size);
    if (is_present(pending.event.fd, range, journal_.writes(), "event")) response = abi::kAllow;
  } catch (const std::exception&) {
    // What cannot be told is not allowed.
  }
  if (response != abi::kAllow) ++refused_;
  try {
    group_.respond(pending.event.fd, response);
  } catch (const std::exception&) {
  }
  journal_.done(pending.slot);
  ::close(pending.event.fd);
}

void Guard::retire() {
  try {
    group_.unmark_all();
  } catch (const std::exception&) {
  }
  // A reader that passed the mark before it was taken away queues its event within this time.
  constexpr int kQuietMs = 300;
  while (step(kQuietMs) > 0) {
  }
}

}  // namespace ondemand::transport
