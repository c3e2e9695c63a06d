// SPDX-License-Identifier: Apache-2.0
//
// The chunks of two images, and the content of their files in terms of these.  Private to the
// module; see image_diff.h.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "hash/digest.h"
#include "view/image_diff.h"

namespace ondemand::view {

class ChunkCompare {
 public:
  ChunkCompare(ImageView& first, ImageView& second, std::uint32_t chunk_size);

  // Do a regular file of the first image and one of the second hold the same bytes?  Reads chunks
  // that were not needed until now where equal ones may lie in two places.
  bool is_same_content(util::Nid first, util::Nid second);
  // To be called last.
  void count(ImageDiff& diff) const;

 private:
  static constexpr std::uint32_t kZeros = 0xFFFFFFFF;
  static constexpr std::uint32_t kItself = 0xFFFFFFFE;

  // One whole chunk in one run of a blob.
  struct Place {
    hash::Digest blob;
    std::uint64_t address = 0;
    std::uint32_t len = 0;
    auto operator<=>(const Place&) const = default;
  };
  struct Chunk {
    std::uint32_t len = 0;
    std::array<bool, 2> is_in{};
    bool is_read = false;
    std::uint32_t same_as = kItself;  // one that was read, or kZeros
  };
  // A piece of a file, and its chunk.
  struct Piece {
    util::ByteRange range;
    std::uint32_t chunk = 0;
  };

  std::optional<Place> place_of(std::size_t image, const erofs::InodeInfo& inode,
                                util::ByteRange piece) const;
  template <class Visit>
  void for_each_piece(std::size_t image, util::Nid nid, Visit visit) const;
  void collect_places(std::size_t image);
  void read_files(std::size_t image);
  std::uint32_t chunk_at(std::size_t image, const erofs::InodeInfo& inode, util::ByteRange piece);
  // The chunk that was read before with the same bytes, else `fallback`, or a new one.
  std::uint32_t read_chunk(std::size_t image, const erofs::InodeInfo& inode, util::ByteRange piece,
                           std::uint32_t fallback = kItself);
  std::uint32_t new_chunk(std::uint32_t len);
  std::uint32_t final_chunk(std::uint32_t chunk) const;
  std::uint32_t read_if_unread(std::size_t image, const erofs::InodeInfo& inode,
                               const Piece& piece);
  std::vector<Piece> pieces_of(std::size_t image, util::Nid nid);

  std::array<ImageView*, 2> images_;
  const std::uint32_t chunk_size_;
  std::array<std::vector<util::Nid>, 2> files_;  // regular ones, in the order of their data
  std::map<Place, std::array<bool, 2>> places_;
  std::map<Place, std::uint32_t> chunk_of_place_;
  // Of pieces that are no Place, by image, nid and offset.
  std::map<std::tuple<std::size_t, std::uint64_t, std::uint64_t>, std::uint32_t> chunk_of_piece_;
  std::unordered_map<hash::Digest, std::uint32_t> chunk_of_digest_;
  std::vector<Chunk> chunks_;
  std::array<std::unordered_map<std::uint64_t, hash::Digest>, 2> content_;  // by nid
  util::Buffer buffer_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace ondemand::view
