// SPDX-License-Identifier: Apache-2.0
#include "util/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ondemand::util {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kNotFound:
      return "not-found";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kDigestMismatch:
      return "digest-mismatch";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kTooLarge:
      return "too-large";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

Error::Error(ErrorCode code, std::string message, const char* file, int line)
    : code_(code), message_(std::move(message)), file_(file), line_(line) {}

Error Error::with_context(std::string_view context) const {
  Error copy = *this;
  copy.message_.insert(0, ": ").insert(0, context);
  return copy;
}

Error errno_error(std::string_view object, std::string_view action, int errno_value,
                  const char* file, int line) {
  const ErrorCode code = errno_value == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  char buffer[128];
  std::string message(object);
  message.append(": ").append(action).append(": ");
  message.append(::strerror_r(errno_value, buffer, sizeof buffer));
  Error error(code, std::move(message), file, line);
  error.errno_value_ = errno_value;
  return error;
}

int exit_status(ErrorCode code) {
  return code == ErrorCode::kUsage ? 2 : 1;
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

}  // namespace ondemand::util
