// SPDX-License-Identifier: Apache-2.0
#include "input/layer.h"

#include "codec/decompress.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::input {

using util::concat;
using util::Error;
using util::ErrorCode;

namespace {

[[noreturn]] void throw_mismatch(const std::string& name, std::string_view what,
                                 const hash::Digest& have, const hash::Digest& want) {
  throw Error(ErrorCode::kDigestMismatch, concat(name, ": verify: ", what, " is ", have.to_string(),
                                                 ", not ", want.to_string()));
}

}  // namespace

LayerStream::LayerStream(std::unique_ptr<util::ByteSource> stored, LayerExpectation expectation,
                         std::string name, hash::DigestQueue* digests)
    : stored_(std::move(stored)),
      digests_(digests),
      // Of what is not compressed, it is the digest of the tar as well.
      stored_digest_(*stored_, expectation.stored || expectation.diff_id, digests),
      peek_(stored_digest_),
      expectation_(expectation),
      name_(std::move(name)) {}

// The content says how it is compressed: media types are wrong often enough (Docker archives name
// none at all), and the digests decide in the end what is right.
void LayerStream::start() {
  started_ = true;
  const codec::Compression compression = codec::detect_compression(peek_.peek());
  decompressor_ = codec::make_decompressor(compression, peek_, name_);
  if (compression != codec::Compression::kNone) {
    diff_digest_.emplace(*decompressor_, expectation_.diff_id.has_value(), digests_);
  }
}

std::size_t LayerStream::read(util::MutableBytes out) {
  if (!started_) start();
  return diff_digest_ ? diff_digest_->read(out) : decompressor_->read(out);
}

LayerDigests LayerStream::finish() {
  util::Buffer rest(64 * util::kKiB);
  while (read(rest) > 0) {
  }
  // A decompressor reads its source to the end, so everything stored has passed by now; this is for
  // one that would not.
  while (peek_.read(rest) > 0) {
  }
  LayerDigests out;
  out.stored_size = stored_digest_.size();
  out.stored = stored_digest_.finish();
  out.uncompressed_size = diff_digest_ ? diff_digest_->size() : out.stored_size;
  out.diff_id = diff_digest_ ? diff_digest_->finish() : out.stored;
  check(out);
  return out;
}

void LayerStream::check(const LayerDigests& digests) const {
  const LayerExpectation& want = expectation_;
  if (want.stored_size && *want.stored_size != digests.stored_size) {
    throw Error(ErrorCode::kCorrupt, concat(name_, ": verify: has ", digests.stored_size,
                                            " bytes, not ", *want.stored_size));
  }
  if (want.stored && *want.stored != digests.stored)
    throw_mismatch(name_, "its digest", digests.stored.value(), *want.stored);
  if (want.diff_id && *want.diff_id != digests.diff_id)
    throw_mismatch(name_, "the digest of its uncompressed tar (diffID)", digests.diff_id.value(),
                   *want.diff_id);
}

}  // namespace ondemand::input
