// SPDX-License-Identifier: Apache-2.0
//
// Pre-content events on sparse backing files (Linux 6.14 and later, EROFS file-backed mounts).
//
//   group.read --> journal --> is it present? --yes--> FAN_ALLOW
//                                  |no
//                              engine.submit --> FAN_ALLOW, or FAN_DENY_ERRNO(EIO) and one log line
//
// Source: doc/KERNEL.md 4.2 to 4.6.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "serve/engine.h"
#include "transport/fanotify_group.h"
#include "transport/journal.h"
#include "transport/request_notes.h"
#include "transport/transport.h"
#include "transport/watch_ender.h"
#include "transport/watch_registry.h"
#include "util/log.h"

namespace ondemand::transport {

class FanotifyTransport : public Transport {
 public:
  // Threads that read events; each only looks up what is present, or hands over to the engine.
  static constexpr std::size_t kReaders = 4;
  // A request that outlived that many deaths of a process is refused: it may be their cause.
  static constexpr std::uint32_t kMaxReplays = 8;

  // Borrows all four; the journal was made for kReaders readers.
  FanotifyTransport(const FanotifyGroup& group, Journal& journal, serve::Engine& engine,
                    util::Log& log);
  ~FanotifyTransport() override;

  std::string_view name() const override { return "fanotify"; }
  void watch(const BackingFile& file) override;
  void start() override;
  void stop(std::chrono::milliseconds grace) override;
  TransportCounters counters() const override { return notes_.counters(); }
  std::vector<WatchedFileInfo> files() const override;

 private:
  void read_events(std::size_t reader);
  void handle(const Journal::Pending& pending) noexcept;
  void serve_range(const Journal::Pending& pending, const WatchedFileRef& file,
                   util::ByteRange range);
  void finish(const Journal::Pending& pending, const WatchedFileRef& file, util::ByteRange range,
              const std::optional<util::Error>& error) noexcept;
  void answer(const Journal::Pending& pending, std::uint32_t response) noexcept;
  void refuse(const Journal::Pending& pending, const WatchedFileRef& file, util::ByteRange range,
              std::string_view reason) noexcept;
  void end_watch_if_complete(const WatchedFileRef& file);

  const FanotifyGroup& group_;
  Journal& journal_;
  serve::Engine& engine_;
  util::Log& log_;
  RequestNotes notes_;
  WatchRegistry registry_;
  WatchEnder ender_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> readers_;
};

// The bytes that must be present before the reader may go on; empty when none.
// An access without a position may read anything: the whole file.  A range without a length comes
// from truncate(2), whose first block the kernel may read and rewrite: one block.
util::ByteRange wanted_range(const Event& event, std::uint64_t file_size);

}  // namespace ondemand::transport
