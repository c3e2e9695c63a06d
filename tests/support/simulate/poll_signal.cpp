// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/poll_signal.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "util/error.h"

namespace ondemand::simulate {

namespace {

// Takes all that waits on a socket; what cannot be written then can.
void drain(int fd) {
  std::array<char, 65536> bytes{};
  while (::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
  }
}

void fill(int fd) {
  std::array<char, 4096> bytes{};
  while (::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
}

}  // namespace

PollSignal::PollSignal() {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0)
    throw util::errno_error("simulator", "make a socket pair", errno);
  ours_ = util::Fd(pair[0]);
  peer_ = util::Fd(pair[1]);
  const int small = 4096;
  ::setsockopt(ours_.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  fill(ours_.get());
}

void PollSignal::set_readable(bool readable) {
  if (!peer_ || readable == is_readable_) return;
  is_readable_ = readable;
  if (readable) {
    const char byte = 1;
    ::send(peer_.get(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  } else {
    drain(ours_.get());
  }
}

void PollSignal::set_writable(bool writable) {
  if (!peer_ || writable == is_writable_) return;
  is_writable_ = writable;
  if (writable)
    drain(peer_.get());
  else
    fill(ours_.get());
}

void PollSignal::set_error() {
  if (!peer_) return;
  set_writable(false);  // leaves bytes that the peer has not read
  peer_.reset();
}

}  // namespace ondemand::simulate
