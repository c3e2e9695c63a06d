// SPDX-License-Identifier: Apache-2.0
//
// SHA-256: by the processor's instructions where it has them, else by OpenSSL; the digests are the
// same.  Thread: one user at a time for a Sha256; the free functions from anywhere.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "hash/digest.h"
#include "util/bytes.h"

struct evp_md_ctx_st;

namespace ondemand::hash {

class Sha256 {
 public:
  enum class Engine : std::uint8_t { kBest, kOpenSsl };

  explicit Sha256(Engine engine = Engine::kBest);

  void update(util::Bytes bytes);
  // The digest of everything so far; the state starts anew.
  Digest finish();

 private:
  friend class Sha256Lane;
  void start();
  void update_own(util::Bytes bytes);

  struct FreeContext {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::array<std::uint32_t, 8> words_;
  std::array<std::uint8_t, 64> block_;                   // bytes that do not fill a block yet
  std::uint64_t length_ = 0;                             // Unit: bytes so far
  std::unique_ptr<evp_md_ctx_st, FreeContext> context_;  // OpenSSL's; null for our own
};

Digest sha256(util::Bytes bytes);

// Bytes that a running digest takes in, one piece after the other.
struct Sha256Stream {
  Sha256* sha = nullptr;
  std::span<const util::Bytes> pieces;
};
// A whole message and where its digest goes.
struct Sha256Message {
  util::Bytes bytes;
  Digest* digest = nullptr;
};

// Does all of it, two at a time: independent digests cost about half as much together as one after
// the other.  Streams are begun first, in their order.  Borrows everything; no Sha256 and no Digest
// may be named twice.
void sha256_together(std::span<const Sha256Stream> streams, std::span<const Sha256Message> messages,
                     Sha256::Engine engine = Sha256::Engine::kBest);

}  // namespace ondemand::hash
