// SPDX-License-Identifier: Apache-2.0
#include "blob/chunk_index.h"

#include <algorithm>
#include <cstring>

#include "format/chunk_index_ondisk.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blob {

namespace {

using format::ChunkIndexEntry;
using format::ChunkIndexHeader;
using util::concat;
using util::Error;
using util::ErrorCode;

[[noreturn]] void fail(ErrorCode code, std::string_view name, const std::string& reason) {
  throw Error(code, concat(name, ": decode chunk index: ", reason));
}

void check_header(const ChunkIndexHeader& header, std::string_view name) {
  if (header.magic != format::kChunkIndexMagic) fail(ErrorCode::kCorrupt, name, "wrong magic");
  if (header.version != format::kChunkIndexVersion)
    fail(ErrorCode::kUnsupported, name, concat("version ", unsigned{header.version}));
  if (header.compression_type > format::kChunkIndexCompressionZstd)
    fail(ErrorCode::kUnsupported, name,
         concat("compression type ", unsigned{header.compression_type}));
  if (header.flags != 0)
    fail(ErrorCode::kUnsupported, name, concat("flags 0x", util::to_hex(header.flags)));
  const bool known_hash =
      (header.hash_algo == format::kChunkIndexHashNone && header.hash_size == 0) ||
      (header.hash_algo == format::kChunkIndexHashSha2 &&
       (header.hash_size == 32 || header.hash_size == 64));
  if (!known_hash) {
    fail(ErrorCode::kCorrupt, name,
         concat("hash algorithm ", unsigned{header.hash_algo}, " with size ",
                unsigned{header.hash_size}));
  }
  if (std::any_of(header.reserved.begin(), header.reserved.end(), [](auto b) { return b != 0; }))
    fail(ErrorCode::kCorrupt, name, "reserved bytes are not zero");
}

// Lengths of entry i follow from the next one's offsets; both must grow.
std::uint64_t length_of(std::uint64_t start, std::uint64_t end, std::size_t i, const char* field,
                        std::string_view name) {
  if (end <= start) {
    fail(ErrorCode::kCorrupt, name,
         concat("entry ", i, ": ", field, " 0x", util::to_hex(start), " is not below its end 0x",
                util::to_hex(end)));
  }
  return end - start;
}

}  // namespace

ChunkIndex ChunkIndex::decode(util::Bytes payload, std::string_view name,
                              std::uint64_t stored_end) {
  util::ByteReader reader(payload, name);
  const auto header = reader.read<ChunkIndexHeader>("chunk index header");
  check_header(header, name);
  const std::uint64_t count = header.num_chunks;
  const std::uint64_t entry_size = 16 + std::uint64_t{header.hash_size};
  if (reader.remaining() != count * entry_size) {
    fail(
        ErrorCode::kCorrupt, name,
        concat("length is ", payload.size(), " bytes, ",
               sizeof(ChunkIndexHeader) + count * entry_size, " expected for ", count, " entries"));
  }
  if (header.hash_size != hash::Digest::kSize)
    fail(ErrorCode::kUnsupported, name, "no SHA-256 checksums");
  const std::uint64_t total = header.uncompressed_size;
  ChunkIndex index;
  index.form_ = static_cast<StoredForm>(header.compression_type);
  if (count == 0) {
    if (total != 0) fail(ErrorCode::kCorrupt, name, concat("no entries for ", total, " bytes"));
    return index;
  }
  std::vector<ChunkIndexEntry> raw(count);
  std::memcpy(raw.data(), reader.take(count * entry_size, "entries").data(), count * entry_size);
  if (raw[0].uncompressed_offset != 0)
    fail(ErrorCode::kCorrupt, name, "entry 0 does not begin at 0");
  index.stored_start_ = raw[0].blob_offset;
  index.entries_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    const std::uint64_t end = last ? stored_end : std::uint64_t{raw[i + 1].blob_offset};
    const std::uint64_t view_end = last ? total : std::uint64_t{raw[i + 1].uncompressed_offset};
    const std::uint64_t stored = length_of(raw[i].blob_offset, end, i, "blob offset", name);
    const std::uint64_t view =
        length_of(raw[i].uncompressed_offset, view_end, i, "uncompressed offset", name);
    if (stored > kMaxFrameBytes || view > kMaxFrameBytes)
      fail(ErrorCode::kTooLarge, name,
           concat("entry ", i, ": frame above ", kMaxFrameBytes, " bytes"));
    if (index.form_ == StoredForm::kRaw && stored != view)
      fail(ErrorCode::kCorrupt, name, concat("entry ", i, ": stored length of raw bytes differs"));
    index.entries_.push_back({end, view_end, hash::Digest::from_bytes(raw[i].checksum)});
  }
  return index;
}

util::Buffer ChunkIndex::encode() const {
  ChunkIndexHeader header{};
  header.magic = format::kChunkIndexMagic;
  header.version = format::kChunkIndexVersion;
  header.compression_type = static_cast<std::uint8_t>(form_);
  header.uncompressed_size = uncompressed_size();
  header.num_chunks = static_cast<std::uint32_t>(entries_.size());
  header.hash_algo = format::kChunkIndexHashSha2;
  header.hash_size = hash::Digest::kSize;
  util::Buffer out;
  out.reserve(sizeof header + entries_.size() * sizeof(ChunkIndexEntry));
  const auto append_object = [&out](const auto& object) {
    const util::Bytes bytes = util::object_bytes(object);
    out.insert(out.end(), bytes.begin(), bytes.end());
  };
  append_object(header);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Frame f = frame(i);
    ChunkIndexEntry entry{};
    entry.blob_offset = f.stored.offset;
    entry.uncompressed_offset = f.uncompressed.offset;
    entry.checksum = f.checksum.bytes;
    append_object(entry);
  }
  return out;
}

void ChunkIndex::append(std::uint64_t stored_len, std::uint64_t uncompressed_len,
                        const hash::Digest& checksum) {
  ASSERT(stored_len > 0 && uncompressed_len > 0 && entries_.size() < UINT32_MAX);
  entries_.push_back({stored_end() + stored_len, uncompressed_size() + uncompressed_len, checksum});
}

std::uint64_t ChunkIndex::uncompressed_size() const {
  return entries_.empty() ? 0 : entries_.back().uncompressed_end;
}

std::uint64_t ChunkIndex::stored_end() const {
  return entries_.empty() ? stored_start_ : entries_.back().stored_end;
}

Frame ChunkIndex::frame(std::size_t i) const {
  ASSERT(i < entries_.size());
  const std::uint64_t stored = i == 0 ? stored_start_ : entries_[i - 1].stored_end;
  const std::uint64_t view = i == 0 ? 0 : entries_[i - 1].uncompressed_end;
  return {{stored, entries_[i].stored_end - stored},
          {view, entries_[i].uncompressed_end - view},
          entries_[i].checksum};
}

std::size_t ChunkIndex::find(std::uint64_t uncompressed_offset) const {
  ASSERT(uncompressed_offset < uncompressed_size());
  const auto it = std::upper_bound(
      entries_.begin(), entries_.end(), uncompressed_offset,
      [](std::uint64_t offset, const Entry& entry) { return offset < entry.uncompressed_end; });
  return static_cast<std::size_t>(it - entries_.begin());
}

}  // namespace ondemand::blob
