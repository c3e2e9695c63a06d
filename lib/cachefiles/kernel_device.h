// SPDX-License-Identifier: Apache-2.0
//
// A control device of the running kernel.
//
// Processes that share a table of descriptors may each have a copy of this object; the cache ends
// when the last descriptor of the device is closed, so nothing that is executed may inherit it.
// Thread: every member may be called from many threads at once.
#pragma once

#include <filesystem>
#include <utility>

#include "cachefiles/device.h"
#include "util/fd.h"

namespace ondemand::cachefiles {

class KernelDevice : public Device {
 public:
  // Throws kNotFound (no such device), kUnavailable (somebody has it open), kUnsupported (no right
  // to, or the node leads nowhere), kIo; each says what to do.
  explicit KernelDevice(const std::filesystem::path& node);
  // An open description that somebody else has opened.
  explicit KernelDevice(util::Fd device) : fd_(std::move(device)) {}

  int poll_fd() const override { return fd_.get(); }
  Read read(util::MutableBytes buffer) override;
  int command(std::string_view text) override;
  int write_object(int fd, std::uint64_t offset, util::Bytes bytes) override;
  int complete_read(int fd, std::uint32_t message_id) override;
  int close_object(int fd) override;
  std::int64_t seek_object(int fd, std::int64_t offset, int whence) override;

 private:
  util::Fd fd_;
};

}  // namespace ondemand::cachefiles
