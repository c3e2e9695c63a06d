// SPDX-License-Identifier: Apache-2.0
#include "util/log.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>

namespace ondemand::util {

namespace {

bool needs_quotes(std::string_view value) {
  return value.empty() || value.find_first_of(" =\"\\\t\n") != std::string_view::npos;
}

void append_value(std::string& line, std::string_view value) {
  const std::string clean = printable(value);
  if (!needs_quotes(clean)) {
    line.append(clean);
    return;
  }
  line.push_back('"');
  for (const char c : clean) {
    if (c == '"') line.push_back('\\');
    line.push_back(c);
  }
  line.push_back('"');
}

// A pipe that poll(2) calls writable takes this much without blocking (PIPE_BUF, pipe(7)), in one
// piece, so that lines of several processes do not mix.
constexpr std::size_t kMaxLine = 4096;

// Never waits: a reader of the log that has stopped reading must not stop the reads that demandd
// answers.  What could not be written is counted and told with the next line that can.
void write_line(std::string line) {
  static std::atomic<std::uint64_t> dropped = 0;
  struct pollfd ready {
    STDERR_FILENO, POLLOUT, 0
  };
  if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
    ++dropped;
    return;
  }
  if (const std::uint64_t lost = dropped.exchange(0); lost > 0)
    line.append(concat(" lines_dropped_before=", lost));
  if (line.size() >= kMaxLine) line.resize(kMaxLine - 1);
  line.push_back('\n');
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

std::string_view to_string(LogLevel level) {
  static constexpr std::array<std::string_view, 4> kNames{"error", "warning", "info", "debug"};
  return kNames[static_cast<std::size_t>(level)];
}

void Log::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!is_enabled(level)) return;
  std::string line(message);
  for (const LogField& field : fields) {
    line.append(" ").append(field.key).append("=");
    append_value(line, field.value);
  }
  const std::lock_guard lock(mutex_);
  sink_(level, line);
}

Log::Sink Log::stderr_sink(std::string name) {
  return [name = std::move(name)](LogLevel level, std::string_view line) {
    write_line(concat(name, ": ", to_string(level), ": ", line));
  };
}

Log::Sink Log::journal_sink() {
  return [](LogLevel level, std::string_view line) {
    // Priorities of sd-daemon(3): 3 error, 4 warning, 6 info, 7 debug.
    static constexpr std::array<char, 4> kPriority{'3', '4', '6', '7'};
    write_line(concat("<", kPriority[static_cast<std::size_t>(level)], ">", line));
  };
}

Log::Sink Log::null_sink() {
  return [](LogLevel, std::string_view) {};
}

}  // namespace ondemand::util
