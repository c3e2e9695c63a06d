// SPDX-License-Identifier: Apache-2.0
//
// Takes connections from a listening socket and serves each on a thread of its own; a bounded
// number at once, the rest waits in the kernel's queue.
// Thread: members may be called from many threads at once.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>

#include "util/fd.h"

namespace ondemand::util {

class ConnectionServer {
 public:
  // Holds the whole conversation on `fd` (close-on-exec, not blocking), and ends it soon after
  // wake_fd() has become readable.  What it throws ends this connection and nothing else.
  using Serve = std::function<void(const ConnectionServer& server, int fd)>;

  // Begins at once.  Range: max_connections > 0.  Throws kIo.
  ConnectionServer(Fd listener, std::size_t max_connections, Serve serve);
  // Wakes all conversations and waits until they have ended.
  ~ConnectionServer();
  ConnectionServer(const ConnectionServer&) = delete;
  ConnectionServer& operator=(const ConnectionServer&) = delete;

  int wake_fd() const { return wake_.get(); }
  // More than three quarters of the places are taken: a connection should not be kept idle.
  bool is_crowded() const;

 private:
  void accept_loop();
  void start(Fd fd);
  bool wait_for_room();  // false: the server ends
  bool is_ending_within(int milliseconds) const;

  const Fd listener_;
  const std::size_t max_connections_;
  const Serve serve_;
  const Fd wake_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t connections_ = 0;
  std::thread acceptor_;
};

}  // namespace ondemand::util
