// SPDX-License-Identifier: Apache-2.0
#include "hash/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "hash/sha256_blocks.h"
#include "util/error.h"

namespace ondemand::hash {

namespace {

// Source: FIPS 180-4 section 5.3.3.
constexpr std::array<std::uint32_t, 8> kStart = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
// The length of a message, in bits, ends its last block.
constexpr std::size_t kLengthAt = kSha256Block - sizeof(std::uint64_t);

bool use_openssl(Sha256::Engine engine) {
  static const bool has_instructions = has_sha256_instructions();
  return engine == Sha256::Engine::kOpenSsl || !has_instructions;
}

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

void store_big_endian(std::uint64_t value, std::uint8_t* out, std::size_t len) {
  for (std::size_t i = len; i-- > 0; value >>= 8)
    out[i] = static_cast<std::uint8_t>(value);
}

}  // namespace

void Sha256::FreeContext::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256(Engine engine) {
  if (use_openssl(engine)) {
    context_.reset(EVP_MD_CTX_new());
    require(context_ != nullptr && algorithm() != nullptr, "set up");
  }
  start();
}

void Sha256::start() {
  words_ = kStart;
  length_ = 0;
  if (context_) require(EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1, "start");
}

void Sha256::update(util::Bytes bytes) {
  if (bytes.empty()) return;
  if (context_) {
    require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "update");
  } else {
    update_own(bytes);
  }
}

void Sha256::update_own(util::Bytes bytes) {
  const auto used = static_cast<std::size_t>(length_ % kSha256Block);
  length_ += bytes.size();
  if (used > 0) {
    const std::size_t len = std::min(bytes.size(), kSha256Block - used);
    std::memcpy(block_.data() + used, bytes.data(), len);
    bytes = bytes.subspan(len);
    if (used + len < kSha256Block) return;
    compress_blocks(words_.data(), block_.data(), 1);
  }
  const std::size_t blocks = bytes.size() / kSha256Block;
  if (blocks > 0) compress_blocks(words_.data(), bytes.data(), blocks);
  bytes = bytes.subspan(blocks * kSha256Block);
  if (!bytes.empty()) std::memcpy(block_.data(), bytes.data(), bytes.size());
}

Digest Sha256::finish() {
  Digest digest;
  if (context_) {
    require(EVP_DigestFinal_ex(context_.get(), digest.bytes.data(), nullptr) == 1, "finish");
  } else {
    const std::uint64_t bits = length_ * 8;
    auto used = static_cast<std::size_t>(length_ % kSha256Block);
    block_[used++] = 0x80;
    if (used > kLengthAt) {
      std::memset(block_.data() + used, 0, kSha256Block - used);
      compress_blocks(words_.data(), block_.data(), 1);
      used = 0;
    }
    std::memset(block_.data() + used, 0, kLengthAt - used);
    store_big_endian(bits, block_.data() + kLengthAt, sizeof bits);
    compress_blocks(words_.data(), block_.data(), 1);
    for (std::size_t i = 0; i < words_.size(); ++i)
      store_big_endian(words_[i], digest.bytes.data() + 4 * i, 4);
  }
  start();
  return digest;
}

Digest sha256(util::Bytes bytes) {
  thread_local Sha256 state;
  state.update(bytes);
  return state.finish();
}

}  // namespace ondemand::hash
