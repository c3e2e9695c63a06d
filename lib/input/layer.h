// SPDX-License-Identifier: Apache-2.0
//
// One layer of the source image: where its stored bytes are, what they must be, and a stream of
// its uncompressed tar that checks them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "hash/digest.h"
#include "hash/digest_queue.h"
#include "hash/digest_source.h"
#include "input/peek_source.h"
#include "util/stream.h"

namespace ondemand::input {

// What was read, known when all of it was.  Digests are made where one is expected: they cost more
// than reading does.
struct LayerDigests {
  std::optional<hash::Digest> stored;  // of the bytes as they are kept
  std::uint64_t stored_size = 0;
  std::optional<hash::Digest> diff_id;  // of the uncompressed tar
  std::uint64_t uncompressed_size = 0;
};

// What the image says about a layer; absent parts are not checked.
struct LayerExpectation {
  std::optional<hash::Digest> stored;
  std::optional<std::uint64_t> stored_size;
  std::optional<hash::Digest> diff_id;
  // No digest protects the tar: who reads it must insist on its end mark
  // (tar::TarReader::has_end_mark), so that one that was cut between two entries is told from a
  // whole one.  Not checked here.
  bool needs_tar_end = false;
};

// The uncompressed tar of one layer.  Bytes that read() returned are right only after finish() has
// returned: whatever is made of them must not become visible before.
// Thread: one user at a time.
class LayerStream : public util::ByteSource {
 public:
  // Borrows the queue, which then does the digests beside the reading.
  LayerStream(std::unique_ptr<util::ByteSource> stored, LayerExpectation expectation,
              std::string name, hash::DigestQueue* digests = nullptr);

  // Throws kCorrupt for damaged compression, and what the source throws.
  std::size_t read(util::MutableBytes out) override;
  // Reads what is left (a tar reader may stop early) and compares digests and size.
  // Throws kDigestMismatch, kCorrupt; to be called once.
  LayerDigests finish();

  // Unit: stored bytes read so far; for progress.
  std::uint64_t stored_bytes() const { return stored_digest_.size(); }

 private:
  void start();
  void check(const LayerDigests& digests) const;

  std::unique_ptr<util::ByteSource> stored_;
  hash::DigestQueue* digests_;
  hash::DigestSource stored_digest_;
  PeekSource peek_;
  std::unique_ptr<util::ByteSource> decompressor_;
  // Absent where nothing is compressed: one digest then serves for both.
  std::optional<hash::DigestSource> diff_digest_;
  LayerExpectation expectation_;
  std::string name_;
  bool started_ = false;
};

struct Layer {
  std::string name;        // for messages: "image.tar: layer sha256:..."
  std::string media_type;  // empty where the form has none
  LayerExpectation expectation;
  // Owns or shares what it reads.  A plain tar from a pipe can be opened once only; a second call
  // throws kUnsupported.
  std::function<std::unique_ptr<util::ByteSource>()> open_stored;
  bool can_reopen = true;  // open_stored may be called again

  std::unique_ptr<LayerStream> open(hash::DigestQueue* digests = nullptr) const {
    return std::make_unique<LayerStream>(open_stored(), expectation, name, digests);
  }
};

}  // namespace ondemand::input
