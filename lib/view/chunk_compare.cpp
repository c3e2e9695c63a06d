// SPDX-License-Identifier: Apache-2.0
#include "view/chunk_compare.h"

#include <algorithm>
#include <cstring>

#include "hash/sha256.h"
#include "util/endian.h"
#include "util/error.h"
#include "view/file_order.h"
#include "view/tree_list.h"

namespace ondemand::view {

namespace {

using erofs::ExtentKind;
using erofs::FileExtent;
using erofs::InodeInfo;

bool all_zero(util::Bytes bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Those with data in the order of it, then the rest.
std::vector<util::Nid> regular_files(const erofs::BootstrapReader& reader) {
  std::vector<util::Nid> all;
  for (const ListedName& file : list_tree(reader).files)
    if (reader.inode(file.nid).type == tree::FileType::kRegular) all.push_back(file.nid);
  std::vector<bool> has_data(all.size());
  std::vector<util::Nid> ordered;
  for (const std::uint32_t i : data_order(reader, all)) {
    ordered.push_back(all[i]);
    has_data[i] = true;
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!has_data[i]) ordered.push_back(all[i]);
  return ordered;
}

}  // namespace

ChunkCompare::ChunkCompare(ImageView& first, ImageView& second, std::uint32_t chunk_size)
    : images_{&first, &second}, chunk_size_(chunk_size) {
  for (const std::size_t image : {0U, 1U}) {
    files_[image] = regular_files(images_[image]->bootstrap());
    collect_places(image);
  }
  for (const std::size_t image : {0U, 1U})
    read_files(image);
}

// Calls `visit` for each aligned piece of a file that is not wholly a hole, and passes over long
// holes at once.
template <class Visit>
void ChunkCompare::for_each_piece(std::size_t image, util::Nid nid, Visit visit) const {
  const erofs::BootstrapReader& reader = images_[image]->bootstrap();
  const InodeInfo inode = reader.inode(nid);
  std::uint64_t next = 0;  // begin of the first piece that was not visited
  reader.for_each_extent(inode, [&](const FileExtent& extent) {
    if (extent.kind == ExtentKind::kHole) return;
    next = std::max(next, extent.file.offset / chunk_size_ * chunk_size_);
    for (; next < extent.file.end(); next += chunk_size_)
      visit(inode, util::ByteRange{next, std::min<std::uint64_t>(chunk_size_, inode.size - next)});
  });
}

// Nothing when the piece is not in one run of one blob.
std::optional<ChunkCompare::Place> ChunkCompare::place_of(std::size_t image, const InodeInfo& inode,
                                                          util::ByteRange piece) const {
  const ImageView& view = *images_[image];
  const FileExtent first = view.bootstrap().map(inode, piece.offset);
  if (first.kind != ExtentKind::kBlocks || first.device.value == 0) return std::nullopt;
  for (std::uint64_t at = first.file.end(); at < piece.end();) {
    const FileExtent next = view.bootstrap().map(inode, at);
    if (next.kind != ExtentKind::kBlocks || next.device != first.device ||
        next.address != first.address + (at - piece.offset))
      return std::nullopt;
    at = next.file.end();
  }
  return Place{view.image().devices.at(first.device.value - 1U).descriptor.digest, first.address,
               static_cast<std::uint32_t>(piece.len)};
}

void ChunkCompare::collect_places(std::size_t image) {
  for (const util::Nid nid : files_[image])
    for_each_piece(image, nid, [&](const InodeInfo& inode, util::ByteRange piece) {
      if (const auto place = place_of(image, inode, piece)) places_[*place][image] = true;
    });
}

std::uint32_t ChunkCompare::new_chunk(std::uint32_t len) {
  Chunk chunk;
  chunk.len = len;
  chunks_.push_back(chunk);
  return static_cast<std::uint32_t>(chunks_.size() - 1);
}

std::uint32_t ChunkCompare::final_chunk(std::uint32_t chunk) const {
  return chunk == kZeros || chunks_[chunk].same_as == kItself ? chunk : chunks_[chunk].same_as;
}

std::uint32_t ChunkCompare::read_chunk(std::size_t image, const InodeInfo& inode,
                                       util::ByteRange piece, std::uint32_t fallback) {
  buffer_.clear();
  images_[image]->read(inode, piece, [this](util::Bytes bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  });
  bytes_read_ += piece.len;
  if (all_zero(buffer_)) return kZeros;
  const auto [known, is_new] = chunk_of_digest_.try_emplace(hash::sha256(buffer_), fallback);
  if (is_new) {
    if (fallback == kItself) known->second = new_chunk(static_cast<std::uint32_t>(piece.len));
    chunks_[known->second].is_read = true;
  }
  return known->second;
}

std::uint32_t ChunkCompare::chunk_at(std::size_t image, const InodeInfo& inode,
                                     util::ByteRange piece) {
  const auto place = place_of(image, inode, piece);
  if (!place) {
    const std::tuple key{image, inode.nid.value, piece.offset};
    const auto known = chunk_of_piece_.find(key);
    if (known != chunk_of_piece_.end()) return known->second;
    return chunk_of_piece_[key] = read_chunk(image, inode, piece);
  }
  if (const auto known = chunk_of_place_.find(*place); known != chunk_of_place_.end())
    return known->second;
  const std::array<bool, 2>& where = places_.at(*place);
  const std::uint32_t chunk = where[0] && where[1]
                                  ? new_chunk(static_cast<std::uint32_t>(piece.len))
                                  : read_chunk(image, inode, piece);
  chunk_of_place_[*place] = chunk;
  return chunk;
}

std::vector<ChunkCompare::Piece> ChunkCompare::pieces_of(std::size_t image, util::Nid nid) {
  std::vector<Piece> pieces;
  for_each_piece(image, nid, [&](const InodeInfo& inode, util::ByteRange piece) {
    pieces.push_back({piece, chunk_at(image, inode, piece)});
  });
  return pieces;
}

// A chunk that both images have in one place was not read for being there.
std::uint32_t ChunkCompare::read_if_unread(std::size_t image, const InodeInfo& inode,
                                           const Piece& piece) {
  const std::uint32_t chunk = final_chunk(piece.chunk);
  if (chunk == kZeros || chunks_[chunk].is_read) return chunk;
  const std::uint32_t same_as = read_chunk(image, inode, piece.range, chunk);
  if (same_as != chunk) chunks_[chunk].same_as = same_as;
  return same_as;
}

bool ChunkCompare::is_same_content(util::Nid first, util::Nid second) {
  if (content_[0].at(first.value) == content_[1].at(second.value)) return true;
  const std::array<InodeInfo, 2> inodes{images_[0]->bootstrap().inode(first),
                                        images_[1]->bootstrap().inode(second)};
  if (inodes[0].size != inodes[1].size) return false;
  const std::array<std::vector<Piece>, 2> pieces{pieces_of(0, first), pieces_of(1, second)};
  std::array<std::size_t, 2> next{};
  bool is_same = true;
  // To the end also when something differs: count() profits.
  while (next[0] < pieces[0].size() || next[1] < pieces[1].size()) {
    constexpr std::uint64_t kNone = ~std::uint64_t{0};
    std::array<std::uint64_t, 2> at{};
    for (const std::size_t image : {0U, 1U})
      at[image] =
          next[image] < pieces[image].size() ? pieces[image][next[image]].range.offset : kNone;
    const std::uint64_t offset = std::min(at[0], at[1]);
    std::array<const Piece*, 2> here{};  // nullptr: a hole
    for (const std::size_t image : {0U, 1U})
      if (at[image] == offset) here[image] = &pieces[image][next[image]++];
    if (here[0] != nullptr && here[1] != nullptr &&
        final_chunk(here[0]->chunk) == final_chunk(here[1]->chunk))
      continue;
    std::array<std::uint32_t, 2> chunk{kZeros, kZeros};
    for (const std::size_t image : {0U, 1U})
      if (here[image] != nullptr) chunk[image] = read_if_unread(image, inodes[image], *here[image]);
    is_same &= chunk[0] == chunk[1];
  }
  return is_same;
}

void ChunkCompare::read_files(std::size_t image) {
  for (const util::Nid nid : files_[image]) {
    hash::Sha256 sha;
    for_each_piece(image, nid, [&](const InodeInfo& inode, util::ByteRange piece) {
      const std::uint32_t chunk = chunk_at(image, inode, piece);
      if (chunk == kZeros) return;
      chunks_[chunk].is_in[image] = true;
      sha.update(util::object_bytes(util::Le64(piece.offset)));
      sha.update(util::object_bytes(util::Le32(chunk)));
    });
    content_[image][nid.value] = sha.finish();
  }
}

void ChunkCompare::count(ImageDiff& diff) const {
  // Chunks that turned out to be another one count with that.
  std::vector<Chunk> chunks = chunks_;
  for (const Chunk& chunk : chunks_) {
    if (chunk.same_as == kItself || chunk.same_as == kZeros) continue;
    for (const std::size_t image : {0U, 1U})
      chunks[chunk.same_as].is_in[image] |= chunk.is_in[image];
  }
  for (const Chunk& chunk : chunks) {
    if (chunk.same_as != kItself) continue;
    ChunkCount& count = !chunk.is_in[1]   ? diff.only_first
                        : !chunk.is_in[0] ? diff.only_second
                                          : diff.shared;
    ++count.chunks;
    count.bytes += chunk.len;
  }
  diff.bytes_read = bytes_read_;
}

}  // namespace ondemand::view
