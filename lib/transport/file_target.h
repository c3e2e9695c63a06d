// SPDX-License-Identifier: Apache-2.0
//
// A backing file as the engine fills it.
//
// Two descriptors: one of our own that only asks what is present, and one that came with an event.
// Only the latter writes: the kernel opens it without notification, while a write through any
// other descriptor of a watched file would wait for ourselves (doc/KERNEL.md 4.2).
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/target.h"
#include "transport/write_journal.h"
#include "util/fd.h"

namespace ondemand::transport {

class FileTarget : public serve::Target {
 public:
  // Free room that a write leaves to others.  Unit: bytes.
  static constexpr std::uint64_t kRoomMargin = util::kMiB;

  // Owns `query`, a descriptor of the backing file.  `writes` is borrowed; what it says of the file
  // counts as missing until it is written again.  `checks_room`: refuse a write early when
  // the file system has no room for it (tests let it run into the wall).
  FileTarget(util::Fd query, std::string name, WriteJournal* writes = nullptr,
             bool checks_room = true);

  const std::string& name() const override { return name_; }
  std::vector<util::ByteRange> missing(util::ByteRange range) override;
  void write(std::uint64_t offset, util::Bytes bytes) override;

  // Keeps a duplicate of the first event's descriptor, and makes holes of what a process that died
  // was writing; later calls do nothing.  Throws kIo.
  void offer_event_fd(int event_fd);
  int query_fd() const { return query_.get(); }
  // Of the file when it was opened.
  std::uint64_t size() const { return size_; }
  // True when the whole file is present and has that size still; remembers how far it was.
  bool is_complete();
  // Forgets how far it was: others may have made holes of it since.
  void look_again();
  // Looks at everything again, after the file system has written it out: the remembered part could
  // hide a hole.  Throws kIo.
  bool is_complete_and_synced();

 private:
  // Blocks that are missing whatever the file system says.
  struct Busy {
    util::ByteRange range;
    std::optional<std::size_t> slot;  // of the write journal
    bool is_left_over = false;        // nobody writes it now
  };
  void check_room(std::uint64_t bytes) const;
  Busy begin_write(util::ByteRange range, int& fd);
  void end_write(const Busy& busy, bool is_whole, bool is_hole);
  void forget(const Busy& busy);

  const std::string name_;
  const util::Fd query_;
  const std::uint64_t size_;
  WriteJournal* const writes_;
  const bool checks_room_;
  const FileKey key_;
  std::mutex mutex_;
  util::Fd fill_;
  std::uint64_t complete_up_to_ = 0;
  std::uint64_t looks_ = 0;  // at everything again
  std::vector<Busy> writing_;
  std::uint64_t failures_ = 0;  // writes that left less than they found
};

}  // namespace ondemand::transport
