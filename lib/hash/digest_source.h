// SPDX-License-Identifier: Apache-2.0
//
// Passes a stream through, counts it and, where that is wanted, digests it.
//
// Thread: one user at a time.
#pragma once

#include <cstdint>
#include <optional>

#include "hash/digest_queue.h"
#include "hash/sha256.h"
#include "util/buffer_pool.h"
#include "util/stream.h"

namespace ondemand::hash {

class DigestSource : public util::ByteSource {
 public:
  // Borrows `inner` and the queue.  Without a queue the bytes are digested where they are read.
  DigestSource(util::ByteSource& inner, bool is_wanted, DigestQueue* queue = nullptr)
      : inner_(inner), is_wanted_(is_wanted), queue_(queue) {}
  DigestSource(const DigestSource&) = delete;
  DigestSource& operator=(const DigestSource&) = delete;
  ~DigestSource() override;

  std::size_t read(util::MutableBytes out) override;
  std::uint64_t size() const { return size_; }  // bytes so far
  // Of everything so far; nullopt where nobody wanted it.  To be called once.
  std::optional<Digest> finish();

 private:
  util::ByteSource& inner_;
  const bool is_wanted_;
  DigestQueue* const queue_;
  util::BufferPool copies_;
  Sha256 sha_;
  std::uint64_t size_ = 0;
};

}  // namespace ondemand::hash
