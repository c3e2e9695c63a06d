// SPDX-License-Identifier: Apache-2.0
#include "tar/sparse.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "tar/header.h"
#include "tar/pax.h"
#include "tar/unfit_entry.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tar {

namespace {

using util::Bytes;
using util::ErrorCode;

// Source: GNU tar manual, "Basic Tar Format": struct oldgnu_header and struct sparse_header.
constexpr std::size_t kHeaderPieces = 386;
constexpr std::size_t kHeaderPieceCount = 4;
constexpr std::size_t kHeaderIsExtended = 482;
constexpr std::size_t kHeaderRealSize = 483;
constexpr std::size_t kExtensionPieceCount = 21;
constexpr std::size_t kExtensionIsExtended = 504;
constexpr std::size_t kNumberLen = 12;

[[noreturn]] void fail(std::string_view reason) {
  throw util::Error(ErrorCode::kCorrupt, util::concat("sparse map: ", reason));
}

std::uint64_t unsigned_number(Bytes field) {
  const std::int64_t value = parse_number(field, "sparse map");
  if (value < 0) fail("negative number");
  return static_cast<std::uint64_t>(value);
}

[[noreturn]] void too_many_pieces() {
  throw UnfitEntry(ErrorCode::kTooLarge, "sparse map: too many pieces");
}

// False when the list ended with an empty slot.
bool add_pieces(SparseMap& map, Bytes pieces) {
  for (; !pieces.empty(); pieces = pieces.subspan(2 * kNumberLen)) {
    if (pieces[0] == 0) return false;
    const util::ByteRange piece{unsigned_number(pieces.first(kNumberLen)),
                                unsigned_number(pieces.subspan(kNumberLen, kNumberLen))};
    if (map.size() <= kMaxSparsePieces) map.push_back(piece);  // one more tells that it is too many
  }
  return true;
}

// Decimal lines out of whole blocks.
class DecimalLines {
 public:
  explicit DecimalLines(BlockInput& input) : input_(input) {}

  std::uint64_t next() {
    std::uint64_t value = 0;
    for (std::size_t digits = 0;; ++digits) {
      const char c = next_char();
      if (c == '\n' && digits > 0) return value;
      if (c < '0' || c > '9' || digits >= 19) fail("bad number in front of the data");
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
  }

 private:
  char next_char() {
    if (position_ == block_.size()) {
      const Bytes block = input_.peek(kBlock);
      if (block.size() < kBlock) fail("archive ends inside it");
      block_.assign(block.begin(), block.end());
      input_.consume(kBlock);
      position_ = 0;
    }
    return block_[position_++];
  }

  BlockInput& input_;
  std::string block_;
  std::size_t position_ = 0;
};

}  // namespace

OldGnuSparse read_old_gnu_sparse(Bytes block, BlockInput& input) {
  OldGnuSparse sparse;
  sparse.size = unsigned_number(block.subspan(kHeaderRealSize, kNumberLen));
  add_pieces(sparse.map, block.subspan(kHeaderPieces, kHeaderPieceCount * 2 * kNumberLen));
  bool extended = block[kHeaderIsExtended] != 0;
  while (extended) {
    const Bytes extension = input.peek(kBlock);
    if (extension.size() < kBlock) fail("archive ends inside it");
    add_pieces(sparse.map, extension.first(kExtensionPieceCount * 2 * kNumberLen));
    extended = extension[kExtensionIsExtended] != 0;
    input.consume(kBlock);
  }
  if (sparse.map.size() > kMaxSparsePieces) too_many_pieces();
  return sparse;
}

SparseMap read_sparse_1_0(BlockInput& input) {
  DecimalLines lines(input);
  const std::uint64_t count = lines.next();
  if (count > kMaxSparsePieces) too_many_pieces();
  SparseMap map;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t offset = lines.next();
    map.push_back({offset, lines.next()});
  }
  return map;
}

SparseMap sparse_map_from_numbers(const std::vector<std::uint64_t>& numbers) {
  if (numbers.size() % 2 != 0) fail("offset without a length");
  SparseMap map;
  map.reserve(numbers.size() / 2);
  for (std::size_t i = 0; i < numbers.size(); i += 2)
    map.push_back({numbers[i], numbers[i + 1]});
  return map;
}

void check_sparse_map(SparseMap& map, std::uint64_t size, std::uint64_t stored) {
  std::uint64_t end = 0;
  std::uint64_t sum = 0;
  for (const util::ByteRange& piece : map) {
    if (piece.offset < end || piece.offset > size || piece.len > size - piece.offset)
      fail("pieces overlap or lie outside the file");
    end = piece.end();
    sum += piece.len;
  }
  if (sum != stored) fail(util::concat("pieces of ", sum, " bytes, ", stored, " bytes are stored"));
  std::erase_if(map, [](const util::ByteRange& piece) { return piece.len == 0; });
}

}  // namespace ondemand::tar
