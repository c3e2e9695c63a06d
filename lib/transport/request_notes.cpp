// SPDX-License-Identifier: Apache-2.0
#include "transport/request_notes.h"

#include <cerrno>
#include <exception>

#include "util/text.h"

namespace ondemand::transport {

using util::concat;

namespace {

// The line names the file, and with it the blob, already.
std::string_view without_name(std::string_view reason, const std::string& file,
                              const hash::Digest& blob) {
  for (const std::string& prefix : {concat(file, ": "), concat("blob ", blob.hex(), ": ")})
    if (reason.substr(0, prefix.size()) == prefix) reason.remove_prefix(prefix.size());
  return reason;
}

}  // namespace

TransportCounters RequestNotes::counters() const {
  return {requests, present, served, refused, replayed, malformed};
}

void RequestNotes::log_refusal(const std::string& file, const hash::Digest& blob,
                               util::ByteRange range, std::string_view reason, int pid) noexcept {
  try {
    reason = without_name(reason, file, blob);
    const auto held_back = limit_.pass(concat(file, '\n', reason));
    if (!held_back) return;
    log_.error("read refused with EIO", {{"file", file},
                                         {"offset", range.offset},
                                         {"bytes", range.len},
                                         {"pid", pid == 0 ? "?" : std::to_string(pid)},
                                         {"reason", reason},
                                         {"more_like_it", *held_back}});
  } catch (const std::exception&) {
    // Out of memory for a log line: the reader has its answer.
  }
}

void RequestNotes::log_refused_open(const std::string& object, std::string_view reason,
                                    bool is_in_use) noexcept {
  try {
    const auto held_back = limit_.pass(concat(object, "\nopen\n", reason));
    if (!held_back) return;
    log_.error(is_in_use
                   ? "object in use cannot be filled, reads of what it lacks will be refused; "
                     "run 'blobctl prepare' again"
                   : "object refused, it cannot be mounted or read",
               {{"file", object}, {"reason", reason}, {"more_like_it", *held_back}});
  } catch (const std::exception&) {
  }
}

void RequestNotes::note_malformed(std::string_view reason) noexcept {
  malformed.fetch_add(1);
  try {
    const auto held_back = limit_.pass(concat("message\n", reason));
    if (!held_back) return;
    log_.warning("unreadable kernel message", {{"reason", reason}, {"more_like_it", *held_back}});
  } catch (const std::exception&) {
  }
}

int errno_of(const util::Error& error) {
  if (error.errno_value() > 0 && error.errno_value() <= 4095) return error.errno_value();
  switch (error.code()) {
    case util::ErrorCode::kTimeout:
      return ETIMEDOUT;
    case util::ErrorCode::kNotFound:
      return ENOENT;
    case util::ErrorCode::kCorrupt:
    case util::ErrorCode::kDigestMismatch:
      return EBADMSG;
    case util::ErrorCode::kUnsupported:
      return EOPNOTSUPP;
    case util::ErrorCode::kUnavailable:
      return EHOSTUNREACH;
    default:
      return EIO;
  }
}

}  // namespace ondemand::transport
