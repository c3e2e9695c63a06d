// SPDX-License-Identifier: Apache-2.0
//
// A backing file as the engine fills it.
//
// Two descriptors: one of our own that only asks what is present, and one that came with an event.
// Only the latter writes: the kernel opens it without notification, while a write through any
// other descriptor of a watched file would wait for ourselves (KERNEL.md section 4.2).
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "serve/target.h"
#include "util/fd.h"

namespace ondemand::transport {

class FileTarget : public serve::Target {
 public:
  // Owns `query`, a descriptor of the backing file.
  FileTarget(util::Fd query, std::string name);

  const std::string& name() const override { return name_; }
  std::vector<util::ByteRange> missing(util::ByteRange range) override;
  void write(std::uint64_t offset, util::Bytes bytes) override;

  // Keeps a duplicate of the first event's descriptor; later calls do nothing.  Throws kIo.
  void offer_event_fd(int event_fd);
  int query_fd() const { return query_.get(); }
  std::uint64_t size() const { return size_; }
  // True when the whole file is present; remembers how far it was.
  bool is_complete();

 private:
  const std::string name_;
  const util::Fd query_;
  const std::uint64_t size_;
  std::mutex mutex_;
  util::Fd fill_;
  std::uint64_t complete_up_to_ = 0;
  std::vector<util::ByteRange> writing_;
};

}  // namespace ondemand::transport
