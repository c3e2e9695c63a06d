// SPDX-License-Identifier: Apache-2.0
#include "image/layer_reader.h"

#include "util/error.h"

namespace ondemand::image {

namespace {

// Calls `visit` for every entry, then has the stream compare its digests.
template <class Visit>
void for_each_entry(const input::Layer& layer, hash::DigestQueue* digests,
                    std::vector<std::string>* warnings, Visit visit) {
  const auto stream = layer.open(digests);
  tar::TarReader reader(*stream, layer.name);
  tar::Entry entry;
  while (reader.next(entry))
    visit(reader, entry);
  if (layer.expectation.needs_tar_end && !reader.has_end_mark()) {
    throw util::Error(util::ErrorCode::kCorrupt,
                      layer.name + ": read: the archive has no end mark: it was cut short");
  }
  stream->finish();
  if (warnings == nullptr) return;
  warnings->insert(warnings->end(), reader.warnings().begin(), reader.warnings().end());
}

}  // namespace

void LayerReader::record_content(ContentRecord& record) {
  record_ = &record;
  content_ = std::make_unique<ContentDigest>();
}

void LayerReader::copy_data(tar::TarReader& reader, tree::InodeId inode, std::uint64_t size,
                            FileSink& data) {
  data.begin_file(inode, size);
  tar::DataBlock block;
  while (reader.read_block(block)) {
    data.add(block.offset, block.bytes);
    if (content_) content_->add(block.offset, block.bytes);
  }
  data.end_file();
  if (!content_) return;
  if (record_->size() <= inode) record_->resize(std::size_t{inode} + 1);
  (*record_)[inode] = content_->finish(size);
}

// The tree knows the entry's name only; people need the archive's as well.
tree::InodeId LayerReader::add(const input::Layer& layer, const tar::Entry& entry) {
  try {
    return builder_.add(entry);
  } catch (const util::Error& error) {
    throw error.with_context(layer.name);
  }
}

void LayerReader::read(const input::Layer& layer, FileSink* data) {
  builder_.begin_layer();
  for_each_entry(layer, digests_, &warnings_, [&](tar::TarReader& reader, const tar::Entry& entry) {
    const tree::InodeId inode = add(layer, entry);
    if (data == nullptr) {
      order_.push_back({inode, entry.size});
    } else if (inode != tree::kNoData) {
      copy_data(reader, inode, entry.size, *data);
    }
  });
  try {
    builder_.end_layer();
  } catch (const util::Error& error) {
    throw error.with_context(layer.name);
  }
}

void LayerReader::reread(const input::Layer& layer, FileSink& data,
                         const std::function<bool(tree::InodeId)>& wanted) {
  for_each_entry(layer, digests_, nullptr, [&](tar::TarReader& reader, const tar::Entry& entry) {
    // Nothing but the order tells which entry is which: a file that somebody writes to meanwhile
    // must not get the extents of another.
    if (next_ == order_.size() || order_[next_].size != entry.size)
      throw util::Error(util::ErrorCode::kIo,
                        layer.name + ": read again: changed while it was read");
    const tree::InodeId inode = order_[next_++].inode;
    if (inode != tree::kNoData && wanted(inode)) copy_data(reader, inode, entry.size, data);
  });
}

}  // namespace ondemand::image
