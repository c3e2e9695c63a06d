// SPDX-License-Identifier: Apache-2.0
#include "hash/digest_source.h"

#include <utility>

namespace ondemand::hash {

DigestSource::~DigestSource() {
  if (queue_ != nullptr) queue_->wait();  // it uses sha_
}

std::size_t DigestSource::read(util::MutableBytes out) {
  const std::size_t got = inner_.read(out);
  size_ += got;
  if (!is_wanted_ || got == 0) return got;
  const util::Bytes bytes = out.first(got);
  if (queue_ == nullptr) {
    sha_.update(bytes);
  } else {
    // The reader's memory is its own.  A copy costs a fifth of what another thread, and a partner
    // in the queue, save.
    auto copy = copies_.take();
    copy->assign(bytes.begin(), bytes.end());
    queue_->update(sha_, std::move(copy));
  }
  return got;
}

std::optional<Digest> DigestSource::finish() {
  if (!is_wanted_) return std::nullopt;
  if (queue_ != nullptr) queue_->flush();
  return sha_.finish();
}

}  // namespace ondemand::hash
