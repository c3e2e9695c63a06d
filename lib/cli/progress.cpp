// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <algorithm>
#include <ostream>
#include <system_error>
#include <utility>

#include "util/text.h"

namespace ondemand::cli {

namespace {

constexpr const char* kEraseLine = "\r\033[K";  // ECMA-48: EL

// "59 s", "3 min 20 s", "2 h 5 min"
std::string human_time(double seconds) {
  constexpr double kLongest = 99 * 3600;
  const auto whole = static_cast<std::uint64_t>(std::min(seconds, kLongest) + 0.5);
  if (whole < 60) return util::concat(whole, " s");
  if (whole < 3600) return util::concat(whole / 60, " min ", whole % 60, " s");
  return util::concat(whole / 3600, " h ", whole % 3600 / 60, " min");
}

}  // namespace

void RateWindow::add(double seconds, std::uint64_t bytes) {
  if (!samples_.empty() && bytes < samples_.back().bytes) samples_.clear();
  samples_.push_back({seconds, bytes});
  while (samples_.size() > 2 && seconds - samples_[1].seconds >= kSeconds)
    samples_.pop_front();
}

double RateWindow::rate() const {
  if (samples_.size() < 2) return 0;
  const Sample& first = samples_.front();
  const Sample& last = samples_.back();
  if (last.seconds <= first.seconds || last.bytes <= first.bytes) return 0;
  return static_cast<double>(last.bytes - first.bytes) / (last.seconds - first.seconds);
}

std::string progress_line(const ProgressState& state, double rate, std::size_t columns) {
  std::string line = util::human_bytes(state.bytes);
  if (state.total > 0) line += " of " + util::human_bytes(state.total);
  line += util::concat(", ", state.files, state.files == 1 ? " file" : " files");
  const bool is_all_read = state.total > 0 && state.bytes >= state.total;
  if (is_all_read) {
    line += ", finishing";
  } else if (rate >= 1) {
    line += ", " + util::human_bytes(static_cast<std::uint64_t>(rate)) + "/s";
    if (state.total > 0)
      line += ", " + human_time(static_cast<double>(state.total - state.bytes) / rate) + " left";
  }
  line.resize(std::min(line.size(), columns));
  return line;
}

ProgressMeter::ProgressMeter(Io& io, bool is_wanted, std::function<ProgressState()> read,
                             std::chrono::milliseconds interval)
    : io_(io), read_(std::move(read)), interval_(interval) {
  if (!io_.err_is_terminal || !is_wanted) return;
  try {
    thread_ = std::thread([this] { draw(); });
  } catch (const std::system_error&) {
    // No thread to be had: the job matters, not the line.
  }
}

ProgressMeter::~ProgressMeter() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_ended_ = true;
  }
  ended_.notify_one();
  thread_.join();
}

void ProgressMeter::draw() {
  // The last column stays free: some terminals go to the next line when it is written.
  const std::size_t columns = std::min(io_.err_columns, 80U) - (io_.err_columns > 0 ? 1 : 0);
  const auto start = std::chrono::steady_clock::now();
  RateWindow window;
  window.add(0, 0);
  bool is_drawn = false;
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, interval_, [this] { return is_ended_; })) {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const ProgressState state = read_();
    window.add(seconds.count(), state.bytes);
    io_.err << kEraseLine << progress_line(state, window.rate(), columns) << std::flush;
    is_drawn = true;
  }
  if (is_drawn) io_.err << kEraseLine << std::flush;
}

}  // namespace ondemand::cli
