// SPDX-License-Identifier: Apache-2.0
//
// Threads that read the messages of a control device of CacheFiles.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "cachefiles/device.h"
#include "serve/log_limit.h"
#include "util/bytes.h"
#include "util/fd.h"
#include "util/log.h"

namespace ondemand::transport {

class DeviceReaders {
 public:
  // Called with one message, on any of the threads; must not wait for other messages.  What it
  // throws is logged.
  using Handler = std::function<void(util::Bytes)>;

  // `probe`: for mainline's mode: asks the device now and then whether it is dead, which poll()
  // does not tell there; and there each thread keeps room for the descriptor that an OPEN brings,
  // since the kernel fails an OPEN for which there is none.  Borrows device and log.  Throws kIo.
  DeviceReaders(cachefiles::Device& device, util::Log& log, Handler handler,
                std::function<void()> probe = nullptr);
  ~DeviceReaders();
  DeviceReaders(const DeviceReaders&) = delete;
  DeviceReaders& operator=(const DeviceReaders&) = delete;

  void start(std::size_t threads);
  // Ends the threads; each finishes the message that it has.
  void stop();

  // The cache has died: no message comes any more, and every read of what is missing fails.  Also
  // for those who learn it from a command.  Thread: any.
  void note_dead() noexcept;
  // Readable once the cache has died.
  int dead_fd() const { return dead_event_.get(); }

 private:
  void run(bool is_prober);
  bool wait(bool is_prober);
  // Of one thread.
  struct Room {
    util::Fd spare;
    std::chrono::steady_clock::time_point next_wait;  // not before that
  };
  bool read_one(util::MutableBytes buffer, Room& room);
  void find_room(Room& room);
  void note_failure(const char* reason) noexcept;

  cachefiles::Device& device_;
  util::Log& log_;
  const Handler handler_;
  const std::function<void()> probe_;
  const util::Fd stop_event_, dead_event_;
  serve::LogLimit limit_{std::chrono::seconds(5)};
  std::atomic<bool> is_stopping_ = false;
  std::atomic<bool> is_dead_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ondemand::transport
