// SPDX-License-Identifier: Apache-2.0
#include "image/view_reader.h"

#include <algorithm>
#include <cstring>

#include "blob/frame.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::image {

using util::concat;
using util::Error;
using util::ErrorCode;

ViewReader::ViewReader(const store::Store& store, const hash::Digest& blob,
                       const blob::ChunkIndex& index)
    : file_(store.open_blob(blob)),
      index_(&index),
      name_(concat(store.name(), ": blob ", blob.to_string())) {
  if (index.size() > 0 && index.stored_end() > file_.size)
    throw Error(ErrorCode::kCorrupt,
                concat(name_, ": open: has ", file_.size, " bytes, its chunk index ends at ",
                       index.stored_end()));
}

void ViewReader::read_frame(std::size_t number, util::Buffer& out) const {
  const blob::Frame frame = index_->frame(number);
  util::Buffer stored(static_cast<std::size_t>(frame.stored.len));
  util::pread_full(file_.fd.get(), stored, frame.stored.offset, name_);
  out = blob::open_frame(*index_, number, stored, name_);
}

void ViewReader::read(std::uint64_t offset, util::MutableBytes out) const {
  util::Buffer view;
  while (!out.empty()) {
    if (offset >= index_->uncompressed_size()) {
      std::memset(out.data(), 0, out.size());
      return;
    }
    const std::size_t number = index_->find(offset);
    read_frame(number, view);
    const auto within =
        static_cast<std::size_t>(offset - index_->frame(number).uncompressed.offset);
    const std::size_t len = std::min(out.size(), view.size() - within);
    std::memcpy(out.data(), view.data() + within, len);
    out = out.subspan(len);
    offset += len;
  }
}

}  // namespace ondemand::image
