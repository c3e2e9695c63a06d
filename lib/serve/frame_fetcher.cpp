// SPDX-License-Identifier: Apache-2.0
#include "serve/frame_fetcher.h"

#include "blob/frame.h"
#include "serve/request.h"
#include "util/text.h"

namespace ondemand::serve {

using util::concat;
using util::Error;
using util::ErrorCode;

// Why the sources failed, told together in one error.
struct FrameFetcher::Causes {
  std::string text;
  ErrorCode code = ErrorCode::kNotFound;
  bool is_worth_retrying = false;
  bool is_one_down = false;  // and may be back soon

  void add(const std::string& source, const Error& error) {
    const std::string line = concat(source, ": ", error.message());
    if (text.find(line) == std::string::npos) text.append(text.empty() ? "" : "; ").append(line);
    if (code == ErrorCode::kNotFound) code = error.code();
    const bool is_down = error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kIo;
    is_one_down |= is_down;
    is_worth_retrying |= is_down || error.code() == ErrorCode::kTimeout;
  }
};

namespace {

Error read_error(const std::exception& exception) noexcept {
  return to_error(exception, "source: unexpected error: ");
}

}  // namespace

void FrameFetcher::report_bad_frame(const source::Source& source, const Blob& blob,
                                    std::size_t frame, const Error& error) const {
  const auto held_back =
      bad_frames_.pass(concat(blob.digest.hex(), '/', frame, '/', source.name()));
  if (!held_back) return;
  log_.warning("bad data from an origin", {{"source", source.name()},
                                           {"blob", blob.digest.hex()},
                                           {"error", error.message()},
                                           {"more_like_it", *held_back}});
}

// A dead origin fails every fetch of every blob alike.
void FrameFetcher::report_failure(const source::Source& source, const Blob& blob,
                                  const Error& error) const {
  const auto held_back = failures_.pass(concat(source.name(), '/', static_cast<int>(error.code())));
  if (!held_back) return;
  log_.warning("origin failed", {{"source", source.name()},
                                 {"blob", blob.digest.hex()},
                                 {"error", error.message()},
                                 {"more_like_it", *held_back}});
}

bool FrameFetcher::fetch_run(source::Source& source, const Blob& blob, FrameRun run,
                             source::Deadline deadline, FetchCounters& counters,
                             std::vector<std::size_t>& failed, Causes& causes,
                             const Deliver& deliver) const {
  const util::ByteRange range = stored_range(blob.index, run);
  util::Buffer stored(static_cast<std::size_t>(range.len));
  counters.requests.fetch_add(1);
  if (!source.read_blob(blob.digest, range.offset, stored, deadline)) return false;
  counters.bytes.fetch_add(range.len);
  for (std::size_t i = run.first; i < run.first + run.count; ++i) {
    const blob::Frame frame = blob.index.frame(i);
    try {
      const auto at = static_cast<std::size_t>(frame.stored.offset - range.offset);
      const util::Bytes bytes =
          util::Bytes(stored).subspan(at, static_cast<std::size_t>(frame.stored.len));
      const util::Buffer data = blob::open_frame(blob.index, i, bytes, "");
      deliver(i, data);
    } catch (const std::exception& exception) {
      const Error error = read_error(exception);
      report_bad_frame(source, blob, i, error);
      causes.add(source.name(), error);
      failed.push_back(i);
    }
  }
  return true;
}

// A run that failed as a whole, once more frame by frame.
void FrameFetcher::fetch_singly(source::Source& source, const Blob& blob, FrameRun run,
                                source::Deadline deadline, FetchCounters& counters,
                                std::vector<std::size_t>& failed, Causes& causes,
                                const Deliver& deliver) const {
  bool is_gone = false;
  for (std::size_t i = run.first; i < run.first + run.count; ++i) {
    try {
      if (!is_gone && fetch_run(source, blob, {i, 1}, deadline, counters, failed, causes, deliver))
        continue;
      is_gone = true;
    } catch (const std::exception& exception) {
      const Error error = read_error(exception);
      is_gone = error.code() != ErrorCode::kCorrupt;
      report_bad_frame(source, blob, i, error);
      causes.add(source.name(), error);
    }
    failed.push_back(i);
  }
}

// Takes out of `frames` what this source gave.
bool FrameFetcher::fetch_from(source::Source& source, const Blob& blob, source::Deadline deadline,
                              FetchCounters& counters, std::vector<std::size_t>& frames,
                              Causes& causes, const Deliver& deliver) const {
  std::vector<std::size_t> failed;
  bool is_gone = false;  // after an error the rest goes to the next source at once
  bool is_usable = true;
  const auto begun = std::chrono::steady_clock::now();
  for (const FrameRun run : coalesce(blob.index, frames, max_request_bytes_)) {
    bool fetched = false;
    if (!is_gone) {
      try {
        fetched = fetch_run(source, blob, run, deadline, counters, failed, causes, deliver);
        if (!fetched) is_gone = true;  // absent: the next source may have it
      } catch (const std::exception& exception) {
        const Error error = read_error(exception);
        if (error.code() == ErrorCode::kCorrupt && run.count > 1) {
          // One bad frame must not fail its neighbours.
          fetch_singly(source, blob, run, deadline, counters, failed, causes, deliver);
          continue;
        }
        report_failure(source, blob, error);
        causes.add(source.name(), error);
        is_gone = true;
        is_usable =
            !OriginOrder::is_worth_a_rest(error.code(), std::chrono::steady_clock::now() - begun);
      }
    }
    if (fetched) continue;
    for (std::size_t i = run.first; i < run.first + run.count; ++i)
      failed.push_back(i);
  }
  frames = std::move(failed);
  return is_usable;
}

std::optional<FetchFailure> FrameFetcher::fetch(const Blob& blob,
                                                std::span<const std::size_t> frames,
                                                source::Deadline deadline, FetchCounters& counters,
                                                const Deliver& deliver) const {
  std::vector<std::size_t> left(frames.begin(), frames.end());
  Causes causes;
  std::size_t to_ask = sources_.size();
  for (const std::size_t i : order_.order(std::chrono::steady_clock::now())) {
    if (left.empty()) break;
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) {
      causes.add("request", Error(ErrorCode::kTimeout, "fetch: deadline passed"));
      break;
    }
    // A silent one that is asked last leaves time to ask those again that were down.
    const auto shares = static_cast<std::int64_t>(to_ask--) + (causes.is_one_down ? 1 : 0);
    const auto share = (deadline - now) / shares;
    if (fetch_from(*sources_[i], blob, now + share, counters, left, causes, deliver)) {
      order_.answered(i);
    } else {
      order_.failed(i, std::chrono::steady_clock::now());
    }
  }
  if (left.empty()) return std::nullopt;
  const std::string text = causes.text.empty() ? "no source has it" : causes.text;
  return FetchFailure{std::move(left),
                      Error(causes.code, concat("blob ", blob.digest.hex(), ": fetch: ", text)),
                      causes.is_worth_retrying};
}

}  // namespace ondemand::serve
