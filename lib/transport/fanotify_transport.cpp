// SPDX-License-Identifier: Apache-2.0
#include "transport/fanotify_transport.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "serve/fetch_plan.h"
#include "transport/fanotify_abi.h"
#include "util/text.h"

namespace ondemand::transport {

using util::concat;
using util::Error;
using util::ErrorCode;

namespace {
// How long a reader sleeps at most before it looks whether it is to stop.  Unit: milliseconds.
constexpr int kWaitMs = 100;
}  // namespace

util::ByteRange wanted_range(const Event& event, std::uint64_t file_size) {
  if (!event.has_range) return {0, file_size};
  util::ByteRange range = event.range;
  if (range.len == 0) range.len = 1;
  return serve::clamp_range(range, file_size);
}

FanotifyTransport::FanotifyTransport(const FanotifyGroup& group, Journal& journal,
                                     serve::Engine& engine, util::Log& log)
    : group_(group),
      journal_(journal),
      engine_(engine),
      log_(log),
      notes_(log),
      registry_(&journal.writes()),
      ender_(group, log) {}

FanotifyTransport::~FanotifyTransport() {
  stop(std::chrono::milliseconds(0));
}

void FanotifyTransport::watch(const BackingFile& file) {
  const WatchedFileRef entry = registry_.add(file);
  const std::lock_guard lock(entry->marking);
  if (entry->is_marked) return;
  // A file that was complete may be one no more: its holes are made to have room again.
  entry->target->look_again();
  // In this order: an event for the file can only come once it is registered.
  if (entry->target->is_complete()) return;
  group_.mark(entry->target->query_fd(), entry->target->name());
  entry->is_marked = true;
}

void FanotifyTransport::start() {
  for (const Journal::Pending& pending : journal_.recover()) {
    notes_.replayed.fetch_add(1);
    handle(pending);
  }
  for (std::size_t i = 0; i < kReaders; ++i)
    readers_.emplace_back([this, i] { read_events(i); });
}

// The engine stops first: while its last fetches finish, readers of what is present are served
// and the rest is refused.
void FanotifyTransport::stop(std::chrono::milliseconds grace) {
  engine_.stop(grace);
  stopping_ = true;
  for (std::thread& reader : readers_)
    reader.join();
  readers_.clear();
  ender_.stop();
}

void FanotifyTransport::read_events(std::size_t reader) {
  while (!stopping_) {
    try {
      if (!group_.wait(kWaitMs)) continue;
      if (!journal_.reserve()) {
        // As many readers wait as we can hold; they are answered within their deadline.
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      std::size_t len = 0;
      try {
        len = group_.read(journal_.buffer(reader));
      } catch (...) {
        journal_.unreserve();
        throw;
      }
      const Journal::Batch events = journal_.accept(reader, len);
      for (const Journal::Pending& pending : events)
        handle(pending);
      if (events.malformed > 0 || events.overflows > 0) {
        notes_.malformed.fetch_add(events.malformed);
        log_.warning("unreadable kernel event",
                     {{"malformed", events.malformed}, {"overflows", events.overflows}});
      }
    } catch (const std::exception& error) {
      // The kernel has refused the reader itself (no descriptor left, for instance).
      log_.error("kernel events not readable", {{"reason", error.what()}});
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
}

void FanotifyTransport::handle(const Journal::Pending& pending) noexcept {
  notes_.requests.fetch_add(1);
  WatchedFileRef file;
  util::ByteRange range;
  try {
    file = registry_.find(key_of(pending.event.fd, "event"));
    // Of the file as it is now.
    range = wanted_range(pending.event, util::file_size(pending.event.fd, "event"));
    if (file) {
      serve_range(pending, file, range);
    } else if (is_present(pending.event.fd, range, journal_.writes(), "event")) {
      notes_.present.fetch_add(1);
      answer(pending, abi::kAllow);
    } else {
      refuse(pending, file, range, "no prepared image has this file");
    }
  } catch (const std::exception& error) {
    refuse(pending, file, range, error.what());
  }
}

// Answers, or hands over to the engine, which answers later.  Throws only before either.
void FanotifyTransport::serve_range(const Journal::Pending& pending, const WatchedFileRef& file,
                                    util::ByteRange range) {
  file->requests.fetch_add(1);
  if (range.empty() || file->target->missing(range).empty()) {
    notes_.present.fetch_add(1);
    answer(pending, abi::kAllow);
    return;
  }
  const serve::BlobRef blob = file->blob();
  if (!blob) throw Error(ErrorCode::kUnsupported, "the blob has no usable chunk index");
  if (pending.replays > kMaxReplays)
    throw Error(ErrorCode::kInternal, concat(pending.replays, " processes died over it"));
  file->target->offer_event_fd(pending.event.fd);
  engine_.submit(blob, file->target, range, serve::Priority::kDemand,
                 [this, pending, file, range](const std::optional<Error>& error) {
                   finish(pending, file, range, error);
                 });
}

void FanotifyTransport::finish(const Journal::Pending& pending, const WatchedFileRef& file,
                               util::ByteRange range, const std::optional<Error>& error) noexcept {
  try {
    if (error) throw Error(*error);
    // The engine's word is not enough to let a reader at a hole.
    if (!range.empty() && !file->target->missing(range).empty())
      throw Error(ErrorCode::kInternal, "answer: check: fetched, and yet not all is present");
  } catch (const std::exception& failure) {
    refuse(pending, file, range, failure.what());
    return;
  }
  notes_.served.fetch_add(1);
  answer(pending, abi::kAllow);
  end_watch_if_complete(file);
}

void FanotifyTransport::refuse(const Journal::Pending& pending, const WatchedFileRef& file,
                               util::ByteRange range, std::string_view reason) noexcept {
  notes_.refused.fetch_add(1);
  if (file) file->errors.fetch_add(1);
  // First the reader, then the log, which may be slow.
  const int pid = pending.event.pid;
  answer(pending, abi::deny_errno(EIO));
  static const std::string kNone = "?";
  notes_.log_refusal(file ? file->target->name() : kNone, file ? file->digest : hash::Digest{},
                     range, reason, pid);
}

void FanotifyTransport::answer(const Journal::Pending& pending, std::uint32_t response) noexcept {
  try {
    group_.respond(pending.event.fd, response);
  } catch (const std::exception& error) {
    // A kernel that does not take the errno still takes the plain refusal.
    try {
      if (response != abi::kAllow) group_.respond(pending.event.fd, abi::kDeny);
      log_.error("kernel refused an answer", {{"reason", error.what()}});
    } catch (const std::exception&) {
    }
  }
  journal_.done(pending.slot);
  ::close(pending.event.fd);
}

void FanotifyTransport::end_watch_if_complete(const WatchedFileRef& file) {
  try {
    if (file->is_marked && file->target->is_complete()) ender_.add(file);
  } catch (const std::exception& error) {
    log_.warning("watch of a complete blob not ended", {{"reason", error.what()}});
  }
}

std::vector<WatchedFileInfo> FanotifyTransport::files() const {
  std::vector<WatchedFileInfo> infos;
  for (const WatchedFileRef& file : registry_.all()) {
    infos.push_back({file->digest, file->target->size(), file->target->is_complete(),
                     file->requests, file->errors});
  }
  std::sort(infos.begin(), infos.end(),
            [](const WatchedFileInfo& a, const WatchedFileInfo& b) { return a.digest < b.digest; });
  return infos;
}

}  // namespace ondemand::transport
