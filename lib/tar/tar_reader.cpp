// SPDX-License-Identifier: Apache-2.0
#include "tar/tar_reader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "tar/block_input.h"
#include "tar/entry_fields.h"
#include "tar/global_pax.h"
#include "tar/header.h"
#include "tar/pax.h"
#include "tar/sparse.h"
#include "tar/unfit_entry.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tar {

namespace {

using util::Bytes;
using util::concat;
using util::Error;
using util::ErrorCode;

// Bodies of pax and GNU long-name headers are held in memory.
constexpr std::uint64_t kMaxPaxBody = 32 * 1024 * 1024;  // a sparse map 0.1 of a million pieces
constexpr std::uint64_t kMaxLongName = 64 * 1024;
// What tar writes for no files at all: one record of zeros at most.
constexpr std::size_t kMaxEmptyArchive = 20 * kBlock;
constexpr std::size_t kEndMark = 2 * kBlock;

[[noreturn]] void corrupt(std::string_view reason) {
  throw Error(ErrorCode::kCorrupt, std::string(reason));
}

std::uint64_t checked_size(std::int64_t size) {
  if (size < 0) corrupt(concat("size ", size, ": negative"));
  return static_cast<std::uint64_t>(size);
}

}  // namespace

class TarReader::Impl {
 public:
  Impl(util::ByteSource& source, std::string name, Skipper skipper)
      : input_(source, std::move(skipper)), name_(std::move(name)) {}

  bool next(Entry& entry);
  bool read_block(DataBlock& block);
  void on_loss(OnLoss call) { on_loss_ = std::move(call); }
  void ignore_owners(HasNoOwner which) { has_no_owner_ = std::move(which); }
  std::optional<std::uint64_t> data_offset() const { return data_offset_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  bool has_end_mark() const { return has_end_mark_; }

 private:
  bool next_unchecked(Entry& entry);
  bool read_headers(RawEntry& raw);
  void read_entry(RawEntry& raw, Entry& entry);
  bool read_header(Header& header);
  void take_end_mark();
  void check_empty_archive();
  bool read_extension(RawEntry& raw);
  std::string read_body(const Header& header, std::uint64_t limit);
  std::string read_long_name(const Header& header);
  void begin_data(const RawEntry& raw, Entry& entry);
  void begin_sparse_data(const RawEntry& raw, Entry& entry, std::uint64_t stored);
  void finish_data();
  void warn(std::string_view text);
  void tell_of_flags(const RawEntry& raw);

  BlockInput input_;
  std::string name_;
  GlobalPax global_;
  std::string local_records_;  // bodies of the current entry's own extended headers
  bool any_header_ = false;
  bool at_end_ = false;
  bool has_end_mark_ = false;
  std::uint64_t entry_offset_ = 0;  // of the first header block of the current entry
  std::string entry_path_;          // for messages; empty until known
  util::Buffer sparse_header_;      // the block of an old GNU sparse entry

  // Data of the current entry.
  SparseMap map_;
  std::size_t piece_ = 0;         // of map_
  std::uint64_t piece_done_ = 0;  // bytes given of that piece
  std::uint64_t skip_ = 0;        // stored bytes that are not the file's data
  std::uint64_t padding_ = 0;     // to the end of the last block
  std::optional<std::uint64_t> data_offset_;
  std::vector<std::string> warnings_;
  OnLoss on_loss_;
  HasNoOwner has_no_owner_;
  bool told_flags_ = false;
};

void TarReader::Impl::warn(std::string_view text) {
  if (warnings_.size() >= kMaxWarnings) return;
  const std::string entry = entry_path_.empty() ? "" : concat(util::printable(entry_path_), " ");
  warnings_.push_back(concat(name_, ": ", entry, "at byte ", entry_offset_, ": ", text));
}

// Archives of BSDs have them for nearly every file.
void TarReader::Impl::tell_of_flags(const RawEntry& raw) {
  if (raw.pax.file_flags.empty()) return;
  const std::string flags = util::printable(std::string_view(raw.pax.file_flags).substr(0, 256));
  if (on_loss_) {
    on_loss_({path_of(raw), concat("file flags ", flags, ": erofs has none")});
  } else if (!std::exchange(told_flags_, true)) {
    warn(concat("file flags ", flags, " are left out, and so are those of other entries"));
  }
}

bool TarReader::Impl::next(Entry& entry) {
  try {
    return next_unchecked(entry);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kIo || error.code() == ErrorCode::kInternal) throw;
    // What the source of the bytes says has the name already.
    if (error.message().starts_with(name_ + ": ")) throw;
    if (!any_header_) throw error.with_context(name_);
    const std::string path =
        entry_path_.empty() ? "" : concat(" (", util::printable(entry_path_), ")");
    throw error.with_context(concat(name_, ": read entry at byte ", entry_offset_, path));
  }
}

bool TarReader::Impl::next_unchecked(Entry& entry) {
  for (;;) {
    RawEntry raw;
    if (!read_headers(raw)) return false;
    try {
      read_entry(raw, entry);
      return true;
    } catch (const UnfitEntry& error) {
      if (!on_loss_) throw;
      Loss loss = loss_of(raw, error.message());
      loss.size = entry.size;
      on_loss_(loss);
    }
  }
}

// False at the end of the archive.
bool TarReader::Impl::read_headers(RawEntry& raw) {
  finish_data();
  if (at_end_) return false;
  entry_offset_ = input_.offset();
  entry_path_.clear();
  local_records_.clear();
  bool extended = false;
  for (;;) {
    if (!read_header(raw.header)) {
      if (extended) corrupt("archive ends behind an extended header");
      at_end_ = true;
      return false;
    }
    if (!read_extension(raw)) break;
    extended |= raw.header.type != 'g' && raw.header.type != 'V';
    if (!extended) entry_offset_ = input_.offset();
  }
  return true;
}

void TarReader::Impl::read_entry(RawEntry& raw, Entry& entry) {
  // Only now, so that a global header behind the entry's own one does not win.
  raw.pax = global_.copy();
  entry_path_ = path_of(raw).substr(0, 256);
  parse_pax_records(util::as_bytes(local_records_), raw.pax);
  entry_path_ = path_of(raw).substr(0, 256);
  bool known_type = false;
  entry.type = type_of(raw, known_type);
  if (!known_type) warn("unknown type, taken for a regular file");
  if (has_no_owner_ && has_no_owner_(path_of(raw))) clear_owner(raw);
  begin_data(raw, entry);  // first, so that the data can be skipped when the entry is unfit
  fill_entry(raw, entry, on_loss_);
  tell_of_flags(raw);
}

// False at the end of the archive.
bool TarReader::Impl::read_header(Header& header) {
  const Bytes block = input_.peek(kBlock);
  if (!any_header_ && block.size() < kBlock) corrupt("not a tar archive");
  if (block.empty()) return false;  // GNU tar accepts an archive without its end mark, too
  if (block.size() < kBlock) corrupt("archive is truncated inside a header");
  if (is_zero_block(block)) {
    take_end_mark();
    return false;
  }
  if (!has_header_checksum(block))
    corrupt(any_header_ ? "header checksum does not match" : "not a tar archive");
  any_header_ = true;
  header = parse_header(block);
  if (header.type == 'S') sparse_header_.assign(block.begin(), block.end());
  input_.consume(kBlock);
  return true;
}

// Stands at a zero block.
void TarReader::Impl::take_end_mark() {
  if (!any_header_) check_empty_archive();
  const Bytes mark = input_.peek(kEndMark);
  // One block is enough at the end of the source, where it was cut to blocks.
  if (!is_zero_block(mark)) corrupt("a block of zeros between entries");
  has_end_mark_ = true;
  entry_offset_ = input_.offset();
  input_.consume(mark.size());
  if (!is_zero_block(input_.peek(kMaxEmptyArchive)))
    warn("data behind the end mark of the archive is ignored");
}

// Disk images may begin with zeros, too, and files with lost content consist of them.
void TarReader::Impl::check_empty_archive() {
  const Bytes all = input_.peek(kMaxEmptyArchive + 1);
  if (all.size() > kMaxEmptyArchive || all.size() < kEndMark || all.size() % kBlock != 0 ||
      !is_zero_block(all))
    corrupt("not a tar archive");
}

// Takes in a header that only describes the one behind it; false when it is an entry itself.
bool TarReader::Impl::read_extension(RawEntry& raw) {
  switch (raw.header.type) {
    case 'x':
    case 'X':  // Solaris' name for 'x'
      local_records_ += read_body(raw.header, kMaxPaxBody - local_records_.size());
      return true;
    case 'g':
      global_.read(read_body(raw.header, GlobalPax::kMaxBytes));
      return true;
    case 'L':
      raw.long_name = read_long_name(raw.header);
      raw.has_long_name = true;
      return true;
    case 'K':
      raw.long_link = read_long_name(raw.header);
      raw.has_long_link = true;
      return true;
    case 'V':  // GNU volume label
      return true;
    case 'M':
    case 'N':
      throw Error(ErrorCode::kUnsupported, raw.header.type == 'M'
                                               ? "continues a file from another volume"
                                               : "obsolete GNU table of names");
    default:
      return false;
  }
}

std::string TarReader::Impl::read_body(const Header& header, std::uint64_t limit) {
  const std::uint64_t size = checked_size(header.size);
  if (size > limit)
    throw Error(ErrorCode::kTooLarge,
                concat("extended header of ", size, " bytes, the limit is ", limit));
  std::string body;
  while (body.size() < size) {
    const Bytes bytes = input_.take_some(size - body.size());
    if (bytes.empty()) corrupt("archive is truncated inside an extended header");
    body.append(util::as_text(bytes));
  }
  const std::uint64_t padding = (kBlock - size % kBlock) % kBlock;
  if (!input_.skip(padding)) corrupt("archive is truncated inside an extended header");
  return body;
}

std::string TarReader::Impl::read_long_name(const Header& header) {
  std::string name = read_body(header, kMaxLongName);
  const std::size_t end = name.find('\0');
  if (end == std::string::npos) return name;
  if (name.find_first_not_of('\0', end) != std::string::npos) corrupt("long name: NUL in the name");
  name.resize(end);
  return name;
}

void TarReader::Impl::begin_data(const RawEntry& raw, Entry& entry) {
  map_.clear();
  piece_ = 0;
  piece_done_ = 0;
  skip_ = 0;
  padding_ = 0;
  data_offset_.reset();
  entry.size = 0;

  std::uint64_t stored = checked_size(raw.pax.size.value_or(raw.header.size));
  const char type = raw.header.type;
  if (type >= '2' && type <= '6') stored = 0;  // the size field has other uses there
  if (type == '1' && stored > 0 && !hardlink_has_data(raw.header, stored, input_)) stored = 0;
  padding_ = (kBlock - stored % kBlock) % kBlock;
  if (entry.type != EntryType::kRegular) {
    skip_ = stored;
    return;
  }
  entry.size = stored;
  const bool sparse_pax = raw.pax.sparse_major || raw.pax.has_sparse_map;
  if (type == 'S' || sparse_pax) {
    begin_sparse_data(raw, entry, stored);
    return;
  }
  data_offset_ = input_.offset();
  if (stored > 0) map_.push_back({0, stored});
}

void TarReader::Impl::begin_sparse_data(const RawEntry& raw, Entry& entry, std::uint64_t stored) {
  const std::uint64_t end = input_.offset() + stored;
  skip_ = stored;  // of an entry that turns out to be unfit
  if (raw.header.type == 'S') {
    if (raw.header.dialect != Dialect::kGnu)
      throw Error(ErrorCode::kUnsupported, "sparse file of a dialect other than GNU");
    OldGnuSparse sparse = read_old_gnu_sparse(sparse_header_, input_);
    map_ = std::move(sparse.map);
    entry.size = sparse.size;
  } else {
    const std::int64_t major = raw.pax.sparse_major.value_or(0);
    const std::int64_t minor = raw.pax.sparse_minor.value_or(0);
    if (!((major == 0 && minor <= 1) || (major == 1 && minor == 0)))
      throw Error(ErrorCode::kUnsupported, concat("sparse format ", major, ".", minor));
    if (!raw.pax.sparse_size || *raw.pax.sparse_size < 0) corrupt("sparse file without its size");
    entry.size = static_cast<std::uint64_t>(*raw.pax.sparse_size);
    if (major == 1) {
      const auto take_map_bytes = [&] {
        if (input_.offset() > end) corrupt("sparse map: longer than the entry");
        stored = end - input_.offset();
        skip_ = stored;
      };
      try {
        map_ = read_sparse_1_0(input_);
      } catch (const UnfitEntry&) {
        skip_ = end - std::min(end, input_.offset());
        throw;
      }
      take_map_bytes();
    } else {
      if (raw.pax.has_too_many_pieces)
        throw UnfitEntry(ErrorCode::kTooLarge, "sparse map: too many pieces");
      map_ = sparse_map_from_numbers(raw.pax.sparse_map);
    }
  }
  check_sparse_map(map_, entry.size, stored);
  skip_ = 0;
}

bool TarReader::Impl::read_block(DataBlock& block) {
  if (piece_ == map_.size()) return false;
  const util::ByteRange piece = map_[piece_];
  const Bytes bytes = input_.take_some(piece.len - piece_done_);
  if (bytes.empty())
    throw Error(ErrorCode::kCorrupt,
                concat(name_, ": read entry at byte ", entry_offset_, " (",
                       util::printable(entry_path_), "): archive is truncated inside the data"));
  block = {piece.offset + piece_done_, bytes};
  piece_done_ += bytes.size();
  if (piece_done_ == piece.len) {
    ++piece_;
    piece_done_ = 0;
  }
  return true;
}

void TarReader::Impl::finish_data() {
  std::uint64_t rest = skip_;
  for (; piece_ < map_.size(); ++piece_) {
    rest += map_[piece_].len - piece_done_;
    piece_done_ = 0;
  }
  if (!input_.skip(rest)) corrupt("archive is truncated inside the data");
  if (!input_.skip(padding_)) corrupt("archive is truncated inside the padding");
  skip_ = 0;
  padding_ = 0;
}

TarReader::TarReader(util::ByteSource& source, std::string name, Skipper skipper)
    : impl_(std::make_unique<Impl>(source, std::move(name), std::move(skipper))) {}
TarReader::~TarReader() = default;
void TarReader::on_loss(OnLoss call) {
  impl_->on_loss(std::move(call));
}
void TarReader::ignore_owners(HasNoOwner which) {
  impl_->ignore_owners(std::move(which));
}
bool TarReader::next(Entry& entry) {
  return impl_->next(entry);
}
bool TarReader::read_block(DataBlock& block) {
  return impl_->read_block(block);
}
std::optional<std::uint64_t> TarReader::data_offset() const {
  return impl_->data_offset();
}
const std::vector<std::string>& TarReader::warnings() const {
  return impl_->warnings();
}

bool TarReader::has_end_mark() const {
  return impl_->has_end_mark();
}

}  // namespace ondemand::tar
