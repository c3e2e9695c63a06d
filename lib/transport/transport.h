// SPDX-License-Identifier: Apache-2.0
//
// The kernel side of demandd: something that tells which ranges of which backing files are read,
// waits until they are present, and lets the reader go on.  One implementation for each kernel
// interface; all of them ask the same engine.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "hash/digest.h"
#include "serve/blob.h"

namespace ondemand::transport {

struct BackingFile {
  std::filesystem::path path;
  hash::Digest digest;  // of the blob
  serve::BlobRef blob;  // null: it cannot be fetched in ranges; missing parts are then errors
};

// Since the transport began.
struct TransportCounters {
  std::uint64_t requests = 0;   // from the kernel
  std::uint64_t present = 0;    // answered at once, all was there
  std::uint64_t served = 0;     // answered after a fetch
  std::uint64_t refused = 0;    // answered with an error
  std::uint64_t replayed = 0;   // taken over from a process that died
  std::uint64_t malformed = 0;  // events or records that broke their format
};

struct WatchedFileInfo {
  hash::Digest digest;
  std::uint64_t size = 0;
  bool is_complete = false;
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual std::string_view name() const = 0;

  // When it returns, no read through a description opened from now on sees a hole unnoticed.
  // Calling it again for the same file is fine.  Throws kNotFound, kIo, kUnsupported.
  virtual void watch(const BackingFile& file) = 0;

  // A file that is complete already and is never fetched (a bootstrap), for kernels that ask for
  // it by name as well.  Throws as watch().
  virtual void offer_local(const BackingFile&) {}

  // Answers what a predecessor left, then everything that comes, on threads of its own.
  virtual void start() = 0;

  // Refuses what is not present from now on, lets fetches under way finish for `grace`, answers
  // everything that was read from the kernel, and ends the threads.
  virtual void stop(std::chrono::milliseconds grace) = 0;

  virtual TransportCounters counters() const = 0;
  virtual std::vector<WatchedFileInfo> files() const = 0;  // sorted by digest

  // Readable when the kernel has given up its side, so that only a new demandd can help; -1: that
  // never happens.
  virtual int dead_fd() const { return -1; }
};

}  // namespace ondemand::transport
