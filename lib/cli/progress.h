// SPDX-License-Identifier: Apache-2.0
//
// One line on a terminal that tells how far a long job is; nothing anywhere else.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "cli/io.h"

namespace ondemand::cli {

struct ProgressState {
  std::uint64_t bytes = 0;
  std::uint64_t total = 0;  // 0: not known
  std::uint64_t files = 0;
};

// Bytes a second over the last few seconds: a disk that has become slow is seen at once.
class RateWindow {
 public:
  static constexpr double kSeconds = 5;

  // `seconds` since any fixed moment, never less than the last.  `bytes` since the begin;
  // less than before: another part of the job has begun.
  void add(double seconds, std::uint64_t bytes);
  double rate() const;  // 0: not known yet, or nothing moves

 private:
  struct Sample {
    double seconds;
    std::uint64_t bytes;
  };
  std::deque<Sample> samples_;  // the first is as old as the window, or the first of all
};

// "12.3 MB of 497.3 MB, 4711 files, 210.0 MB/s, 2 s left", cut to `columns`.  `rate` in bytes a
// second.
std::string progress_line(const ProgressState& state, double rate, std::size_t columns = 79);

// Draws while it lives, and leaves an empty line.  Without a terminal it does nothing.
class ProgressMeter {
 public:
  static constexpr std::chrono::milliseconds kInterval{200};

  // `read` is called from a thread of its own and does not throw.  Borrows io.err, to which nobody
  // else may write meanwhile.
  ProgressMeter(Io& io, bool is_wanted, std::function<ProgressState()> read,
                std::chrono::milliseconds interval = kInterval);
  ~ProgressMeter();
  ProgressMeter(const ProgressMeter&) = delete;
  ProgressMeter& operator=(const ProgressMeter&) = delete;

 private:
  void draw();

  Io& io_;
  const std::function<ProgressState()> read_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_ended_ = false;  // under mutex_
  std::thread thread_;     // only with a terminal
};

}  // namespace ondemand::cli
