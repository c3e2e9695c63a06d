// SPDX-License-Identifier: Apache-2.0
#include "hash/sha256.h"

#include <openssl/evp.h>

#include "util/error.h"

namespace ondemand::hash {

namespace {

// Fetched once: an implicit fetch for each digest costs about a tenth at 4 KiB pieces.
const EVP_MD* algorithm() {
  static const EVP_MD* const kMd = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kMd;
}

void require(bool ok, const char* action) {
  if (!ok)
    throw util::Error(util::ErrorCode::kInternal,
                      std::string("sha256: ") + action + ": OpenSSL reported a failure");
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  require(state_->context != nullptr && algorithm() != nullptr, "set up");
  require(EVP_DigestInit_ex2(state_->context, algorithm(), nullptr) == 1, "start");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(util::Bytes bytes) {
  require(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "update");
}

Digest Sha256::finish() {
  Digest digest;
  require(EVP_DigestFinal_ex(state_->context, digest.bytes.data(), nullptr) == 1, "finish");
  require(EVP_DigestInit_ex2(state_->context, algorithm(), nullptr) == 1, "start");
  return digest;
}

Digest sha256(util::Bytes bytes) {
  thread_local Sha256 state;
  state.update(bytes);
  return state.finish();
}

std::size_t DigestSource::read(util::MutableBytes out) {
  const std::size_t got = inner_.read(out);
  sha_.update(out.first(got));
  size_ += got;
  return got;
}

}  // namespace ondemand::hash
