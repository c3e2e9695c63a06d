// SPDX-License-Identifier: Apache-2.0
//
// Where stored bytes come from: a store directory, a plain HTTP server over one, a registry.
// A source knows digests and byte ranges, nothing of frames, caches or kernels, and promises
// nothing about the bytes: callers verify every one (doc/ARCHITECTURE.md, invariant 1).
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hash/digest.h"
#include "util/bytes.h"
#include "util/stream.h"
#include "util/units.h"

namespace ondemand::source {

using Deadline = std::chrono::steady_clock::time_point;

struct ManifestBytes {
  std::string json;  // exactly as stored: its SHA-256 is `digest` (already checked)
  hash::Digest digest;
};

class Source {
 public:
  virtual ~Source() = default;

  // For messages and logs: a path or a URL without secrets.
  virtual const std::string& name() const = 0;

  // Finds an image manifest by reference name, tag, or "sha256:..." digest.  Where the reference
  // leads to an image index, the one entry for linux whose os.features has "erofs" (else the only
  // entry) is followed.  nullopt: this source does not have it.
  // Throws kUnavailable, kTimeout, kIo, kCorrupt, kDigestMismatch, kTooLarge.
  virtual std::optional<ManifestBytes> find_manifest(std::string_view reference,
                                                     Deadline deadline) = 0;

  // Fills `out` with the stored bytes [offset, offset + out.size()) of a blob.
  // false: this source does not have the blob.  Throws as above; a short body, a wrong range, a
  // whole body in place of a range, or a redirect to a log-in page is kUnavailable or kCorrupt
  // "of the origin", never data.
  virtual bool read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                         Deadline deadline) = 0;

  // Passes a whole blob of exactly `size` bytes to `sink`, in order.  false: not here (nothing
  // was written).  `stall_timeout` bounds the time without progress, not the whole transfer.
  virtual bool copy_blob(const hash::Digest& blob, std::uint64_t size, util::ByteSink& sink,
                         std::chrono::milliseconds stall_timeout) = 0;
};

// An OCI layout directory ("erofs-store").  Throws kNotFound / kCorrupt when it is not one.
std::unique_ptr<Source> open_store_source(const std::string& directory);

// http://host[:port]/repository.  Nothing is sent yet; the first use finds out whether a registry
// (GET /v2/ answers 200 or 401) or a static server over a layout directory is there.
// Throws kUsage for a URL of another form.
std::unique_ptr<Source> open_http_source(const std::string& url);

}  // namespace ondemand::source
