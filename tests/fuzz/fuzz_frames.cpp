// SPDX-License-Identifier: Apache-2.0
//
// A chunk index of any bytes and the stored frames behind it, read as `check`, `export` and
// `--verify` do: two readers that must agree byte for byte.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "blob/chunk_index.h"
#include "format/chunk_index_ondisk.h"
#include "hash/sha256.h"
#include "image/view_reader.h"
#include "store/store.h"
#include "util/error.h"
#include "view/kernel_view.h"

using namespace ondemand;

namespace {

constexpr std::uint64_t kMostRead = 4 * std::uint64_t{util::kMiB};

void require(bool condition) {
  if (!condition) __builtin_trap();
}

// No mutation finds a SHA-256: the index gets those of the frames as they are.
util::Buffer with_right_digests(util::Bytes payload, util::Bytes stored) {
  util::Buffer out(payload.begin(), payload.end());
  constexpr std::size_t kFirst = sizeof(format::ChunkIndexHeader);
  const std::size_t entries = (out.size() - kFirst) / sizeof(format::ChunkIndexEntry);
  const auto at = [&](std::size_t i) {
    format::ChunkIndexEntry entry;
    std::memcpy(&entry, out.data() + kFirst + i * sizeof entry, sizeof entry);
    return entry;
  };
  for (std::size_t i = 0; i < entries; ++i) {
    format::ChunkIndexEntry entry = at(i);
    const std::uint64_t begin = entry.blob_offset;
    const std::uint64_t end =
        i + 1 < entries ? std::uint64_t{at(i + 1).blob_offset} : stored.size();
    if (begin > end || end > stored.size()) continue;
    entry.checksum = hash::sha256(stored.subspan(static_cast<std::size_t>(begin),
                                                 static_cast<std::size_t>(end - begin)))
                         .bytes;
    std::memcpy(out.data() + kFirst + i * sizeof entry, &entry, sizeof entry);
  }
  return out;
}

// A store whose one blob has any bytes: nobody looks at its name.
class OneBlob {
 public:
  OneBlob()
      : path_(std::filesystem::temp_directory_path() /
              ("erofs-ondemand-fuzz-" + std::to_string(::getpid()))),
        digest_(hash::sha256({})),
        store_(store::Store::create_or_open(path_, util::Durability::kNoSync)) {}
  OneBlob(const OneBlob&) = delete;
  OneBlob& operator=(const OneBlob&) = delete;
  ~OneBlob() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  image::ViewReader open(util::Bytes stored, const blob::ChunkIndex& index) {
    std::filesystem::create_directories(store_.blob_path(digest_).parent_path());
    std::ofstream(store_.blob_path(digest_), std::ios::binary | std::ios::trunc)
        << util::as_text(stored);
    return {store_, digest_, index};
  }

 private:
  std::filesystem::path path_;
  hash::Digest digest_;
  store::Store store_;
};

std::optional<util::Buffer> read_framed(const blob::ChunkIndex& index, util::Bytes stored,
                                        util::ByteRange range) {
  view::FrameCache cache(1);
  view::FramedView view(
      index,
      [stored](std::uint64_t offset, util::MutableBytes out) {
        require(offset <= stored.size() && out.size() <= stored.size() - offset);
        std::memcpy(out.data(), stored.data() + offset, out.size());
      },
      "blob", 1, cache);
  util::Buffer out;
  try {
    view.read(range,
              [&out](util::Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); });
  } catch (const util::Error&) {
    return std::nullopt;
  }
  require(out.size() == range.len);
  return out;
}

std::optional<util::Buffer> read_from_store(const image::ViewReader& reader,
                                            util::ByteRange range) {
  util::Buffer out(static_cast<std::size_t>(range.len));
  try {
    reader.read(range.offset, out);
  } catch (const util::Error&) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static OneBlob blob;
  if (size < sizeof(format::ChunkIndexHeader)) return 0;
  format::ChunkIndexHeader header;
  std::memcpy(&header, data, sizeof header);
  const std::uint64_t len =
      sizeof header + std::uint64_t{header.num_chunks} * sizeof(format::ChunkIndexEntry);
  if (len > size) return 0;
  const util::Bytes bytes(data, size);
  const util::Bytes stored = bytes.subspan(static_cast<std::size_t>(len));
  try {
    const blob::ChunkIndex index = blob::ChunkIndex::decode(
        with_right_digests(bytes.first(static_cast<std::size_t>(len)), stored), "index",
        stored.size());
    const std::uint64_t end = index.uncompressed_size();
    if (end == 0 || end > kMostRead) return 0;
    const image::ViewReader reader = blob.open(stored, index);
    for (const util::ByteRange range :
         {util::ByteRange{0, end}, util::ByteRange{end / 2, end - end / 2},
          util::ByteRange{end - 1, 1}}) {
      const auto framed = read_framed(index, stored, range);
      require(framed == read_from_store(reader, range));
    }
  } catch (const util::Error&) {
    // What a decoder says about bad bytes.
  }
  return 0;
}
