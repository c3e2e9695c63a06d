// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 by OpenSSL.  Thread: one user at a time for a Sha256; the free function from anywhere.
#pragma once

#include <memory>

#include "hash/digest.h"
#include "util/bytes.h"
#include "util/stream.h"

namespace ondemand::hash {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(util::Bytes bytes);
  // The digest of everything so far; the state starts anew.
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest sha256(util::Bytes bytes);

// Passes a stream through and digests what passes.  Borrows `inner`.
class DigestSource : public util::ByteSource {
 public:
  explicit DigestSource(util::ByteSource& inner) : inner_(inner) {}
  std::size_t read(util::MutableBytes out) override;
  std::uint64_t size() const { return size_; }  // bytes so far
  Digest finish() { return sha_.finish(); }

 private:
  util::ByteSource& inner_;
  Sha256 sha_;
  std::uint64_t size_ = 0;
};

}  // namespace ondemand::hash
