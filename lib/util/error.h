// SPDX-License-Identifier: Apache-2.0
//
// The one exception type of the project and the one assertion.
//
// Expected outcomes (absent, not yet present) are values; failures are `Error`.  An error is
// handled in two kinds of place only: cli::tool_main (prints, exit status) and the request
// boundary of demandd (answers EIO, logs, goes on).  Any other catch adds context and rethrows.
//
// Message form: "object: action: reason", lower case, no full stop, offsets in hex with the unit.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace ondemand::util {

enum class ErrorCode {
  kUsage,           // the caller's options or arguments are wrong
  kNotFound,        // the named thing does not exist
  kIo,              // a system call failed
  kCorrupt,         // bytes do not follow their format
  kDigestMismatch,  // bytes do not have the digest that names them
  kUnsupported,     // well-formed, but not something that we (or this kernel) can do
  kTooLarge,        // a limit of ours or of the format is exceeded
  kTimeout,         // a deadline passed
  kUnavailable,     // a peer refused, broke off or answered with an error: try later or elsewhere
  kInternal,        // our own bug
};

// Lower-case word for logs and JSON ("digest-mismatch").
std::string_view to_string(ErrorCode code);

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, const char* file = __builtin_FILE(),
        int line = __builtin_LINE());

  ErrorCode code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& message() const { return message_; }
  // errno of the failed system call, 0 where there was none.
  int errno_value() const { return errno_value_; }
  // Where it was thrown; for debug logs only.
  const char* file() const { return file_; }
  int line() const { return line_; }

  // The same error with "context: " before its message.
  Error with_context(std::string_view context) const;

 private:
  friend Error errno_error(std::string_view, std::string_view, int, const char*, int);
  ErrorCode code_;
  int errno_value_ = 0;
  std::string message_;
  const char* file_;
  int line_;
};

// Builds "object: action: strerror"; ENOENT becomes kNotFound, ENOSPC and the rest kIo.
// Usage: throw errno_error(path, "open", errno);
Error errno_error(std::string_view object, std::string_view action, int errno_value,
                  const char* file = __builtin_FILE(), int line = __builtin_LINE());

// Exit status of a tool for a failure: 2 for kUsage, else 1.
int exit_status(ErrorCode code);

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace ondemand::util

// On in every build; means a bug of ours.  Input never asserts: decoders throw kCorrupt.
#define ASSERT(expression)       \
  (static_cast<bool>(expression) \
       ? void(0)                 \
       : ::ondemand::util::assertion_failed(#expression, __FILE__, __LINE__))
