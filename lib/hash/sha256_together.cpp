// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "hash/sha256.h"
#include "hash/sha256_blocks.h"

namespace ondemand::hash {

namespace {

// What waits to be digested; streams first, since they are the longest.
struct Waiting {
  std::span<const Sha256Stream> streams;
  std::span<const Sha256Message> messages;
};

}  // namespace

// One of the two digests on their way.
class Sha256Lane {
 public:
  Sha256Lane(Waiting& waiting, Sha256::Engine engine) : waiting_(waiting), own_(engine) {}

  // Goes on until a whole block can be compressed; false when nothing is left to do.
  bool prepare() {
    for (;;) {
      const bool aligned = sha_ != nullptr && sha_->length_ % kSha256Block == 0;
      if (aligned && bytes_.size() >= kSha256Block) return true;
      if (!bytes_.empty()) {
        const auto used = static_cast<std::size_t>(sha_->length_ % kSha256Block);
        take(std::min(bytes_.size(), kSha256Block - used));
      } else if (!pieces_.empty()) {
        bytes_ = pieces_.front();
        pieces_ = pieces_.subspan(1);
      } else if (!next()) {
        return false;
      }
    }
  }

  // Alone, to the end of all that waits.
  void drain() {
    while (prepare())
      take(bytes_.size());
  }

  bool is_own_code() const { return !sha_->context_; }

  // Both are prepared and neither is OpenSSL's.
  static void advance(Sha256Lane& a, Sha256Lane& b) {
    const std::size_t blocks = std::min(a.bytes_.size(), b.bytes_.size()) / kSha256Block;
    compress_blocks_of_two(a.sha_->words_.data(), a.bytes_.data(), b.sha_->words_.data(),
                           b.bytes_.data(), blocks);
    for (Sha256Lane* lane : {&a, &b}) {
      lane->sha_->length_ += blocks * kSha256Block;
      lane->bytes_ = lane->bytes_.subspan(blocks * kSha256Block);
    }
  }

 private:
  void take(std::size_t len) {
    sha_->update(bytes_.first(len));
    bytes_ = bytes_.subspan(len);
  }

  bool next() {
    if (digest_ != nullptr) *digest_ = own_.finish();
    digest_ = nullptr;
    if (!waiting_.streams.empty()) {
      sha_ = waiting_.streams.front().sha;
      pieces_ = waiting_.streams.front().pieces;
      waiting_.streams = waiting_.streams.subspan(1);
      return true;
    }
    if (waiting_.messages.empty()) return false;
    sha_ = &own_;
    bytes_ = waiting_.messages.front().bytes;
    digest_ = waiting_.messages.front().digest;
    waiting_.messages = waiting_.messages.subspan(1);
    return true;
  }

  Waiting& waiting_;
  Sha256 own_;  // of messages
  Sha256* sha_ = nullptr;
  util::Bytes bytes_;  // the rest of the current piece
  std::span<const util::Bytes> pieces_;
  Digest* digest_ = nullptr;  // of the current message
};

void sha256_together(std::span<const Sha256Stream> streams, std::span<const Sha256Message> messages,
                     Sha256::Engine engine) {
  Waiting waiting{streams, messages};
  Sha256Lane a(waiting, engine);
  Sha256Lane b(waiting, engine);
  while (a.prepare() && b.prepare() && a.is_own_code() && b.is_own_code())
    Sha256Lane::advance(a, b);
  // The longer one, or both where OpenSSL does the work.
  a.drain();
  b.drain();
}

}  // namespace ondemand::hash
