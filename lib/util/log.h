// SPDX-License-Identifier: Apache-2.0
//
// Events for people and machines: a fixed message and key=value fields, one event, one line.
// Secrets never go into a field; URLs go through a redacting printer first.
//
// Thread: every member may be called from any thread.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>

#include "util/text.h"

namespace ondemand::util {

enum class LogLevel { kError = 0, kWarning = 1, kInfo = 2, kDebug = 3 };

struct LogField {
  std::string_view key;
  std::string value;
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  template <std::integral T>
  LogField(std::string_view k, T v) : key(k), value(concat(v)) {}
};

class Log {
 public:
  // Receives one finished line without newline, one call at a time.
  using Sink = std::function<void(LogLevel, std::string_view line)>;

  Log(LogLevel level, Sink sink) : level_(level), sink_(std::move(sink)) {}

  void set_level(LogLevel level) { level_ = level; }
  bool is_enabled(LogLevel level) const { return level <= level_.load(std::memory_order_relaxed); }
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);

  void error(std::string_view message, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kError, message, fields);
  }
  void warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kWarning, message, fields);
  }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kInfo, message, fields);
  }
  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kDebug, message, fields);
  }

  // Lines on standard error (never waiting for its reader; lines that do not fit are counted):
  // "name: level: message key=value".
  static Sink stderr_sink(std::string name);
  // The same without name and level text but with the "<N>" priority that journald reads.
  static Sink journal_sink();
  static Sink null_sink();

 private:
  std::atomic<LogLevel> level_;
  std::mutex mutex_;
  Sink sink_;
};

std::string_view to_string(LogLevel level);

}  // namespace ondemand::util
