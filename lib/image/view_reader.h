// SPDX-License-Identifier: Apache-2.0
//
// Reads ranges of the kernel view of a blob in a store, verified.
//
// Thread: const members from any thread at the same time.
#pragma once

#include <cstdint>
#include <string>

#include "blob/chunk_index.h"
#include "hash/digest.h"
#include "store/store.h"
#include "util/bytes.h"

namespace ondemand::image {

class ViewReader {
 public:
  // Borrows the index, which must stay where it is.  Throws kNotFound when the store does not have
  // the blob, kCorrupt when it has another length than the index says.
  ViewReader(const store::Store& store, const hash::Digest& blob, const blob::ChunkIndex& index);

  // Fills `out` from `offset` on.  Behind the kernel view there are zeros.
  // Throws kDigestMismatch for a frame whose stored bytes have another digest, kCorrupt, kIo.
  void read(std::uint64_t offset, util::MutableBytes out) const;
  // Replaces `out` by one whole frame of the kernel view.  Range: number < index.size().
  void read_frame(std::size_t number, util::Buffer& out) const;

 private:
  store::OpenBlob file_;
  const blob::ChunkIndex* index_;
  std::string name_;  // for messages
};

}  // namespace ondemand::image
