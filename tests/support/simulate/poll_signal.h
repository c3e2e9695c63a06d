// SPDX-License-Identifier: Apache-2.0
//
// A descriptor whose poll(2) state is what we say: POLLIN, POLLOUT and POLLERR one by one.
//
// One end of a stream socket pair: a byte for it to read is POLLIN, room to write is POLLOUT, and
// closing the other end over unread bytes is POLLERR (the kernel takes it for a reset).
// Thread: the caller's lock.
#pragma once

#include "util/fd.h"

namespace ondemand::simulate {

class PollSignal {
 public:
  PollSignal();

  int fd() const { return ours_.get(); }
  void set_readable(bool readable);
  void set_writable(bool writable);
  void set_error();  // for ever

 private:
  util::Fd ours_;
  util::Fd peer_;
  bool is_readable_ = false;
  bool is_writable_ = false;
};

}  // namespace ondemand::simulate
