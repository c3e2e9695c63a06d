// SPDX-License-Identifier: Apache-2.0
//
// One open control device of CacheFiles, as a daemon uses it: /dev/cachefiles_demand,
// /dev/cachefiles_ondemand (its messages of the first proposal), /dev/cachefiles after
// `bind ondemand`; or a simulator of one of them.
//
// Errors are errno values, exactly as the kernel returns them, so that one list of tests runs on
// a simulator and on a kernel and can compare them.  Nothing here throws.
// Thread: every member may be called from many threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "util/bytes.h"

namespace ondemand::cachefiles {

class Device {
 public:
  // Closes.  When it was the last reference, every reader that waits gets EIO.
  virtual ~Device() = default;

  // To poll(): POLLIN: a message waits; POLLOUT: culling is wanted; POLLERR: the cache is dead.
  // Belongs to the device.
  virtual int poll_fd() const = 0;

  struct Read {
    std::size_t bytes = 0;  // of the message; 0 with error 0: nothing waits
    int error = 0;          // EMSGSIZE: the buffer is too small and the message is still there
  };
  // One message.  Never waits.
  virtual Read read(util::MutableBytes buffer) = 0;

  // One text command, without a newline.  0 or an errno.
  virtual int command(std::string_view text) = 0;

  // Mainline's protocol only: `fd` is the anonymous descriptor that an OPEN message brought.
  // Bytes, offset and address aligned for direct I/O.  0 (all was written) or an errno.
  virtual int write_object(int fd, std::uint64_t offset, util::Bytes bytes) = 0;
  // CACHEFILES_IOC_READ_COMPLETE.  0 or an errno.
  virtual int complete_read(int fd, std::uint32_t message_id) = 0;
  virtual int close_object(int fd) = 0;
  // lseek on the backing file: whence is SEEK_DATA, SEEK_HOLE, SEEK_END...  A negative errno on
  // failure.
  virtual std::int64_t seek_object(int fd, std::int64_t offset, int whence) = 0;
};

}  // namespace ondemand::cachefiles
