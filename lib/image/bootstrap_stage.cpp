// SPDX-License-Identifier: Apache-2.0
#include "image/bootstrap_stage.h"

#include <algorithm>

#include "codec/zstd.h"
#include "erofs/bootstrap_reader.h"
#include "erofs/bootstrap_writer.h"
#include "erofs/tree_compare.h"
#include "hash/sha256.h"
#include "util/mapped_file.h"

namespace ondemand::image {

namespace {

// Each piece is a frame of its own; the stream stays an ordinary zstd stream.
constexpr std::size_t kFrameBytes = 4 * std::size_t{util::kMiB};

// Gives the bytes in pieces, and lets go of each when it has been used.
template <class Use>
void in_pieces(const util::MappedFile& mapped, Use use) {
  for (util::Bytes left = mapped.bytes(); !left.empty();) {
    const std::size_t len = std::min(left.size(), kFrameBytes);
    use(left.first(len));
    left = left.subspan(len);
    mapped.release_pages();
  }
}

hash::Digest digest_of(const util::MappedFile& mapped) {
  hash::Sha256 sha;
  in_pieces(mapped, [&sha](util::Bytes piece) { sha.update(piece); });
  return sha.finish();
}

store::StagedBlob compress(store::Store& store, const util::MappedFile& mapped, int level,
                           BootstrapObject& object) {
  store::StagedBlob file = store.stage();
  codec::FrameCompressor compressor(level);
  hash::Sha256 sha;
  util::Buffer frame;
  in_pieces(mapped, [&](util::Bytes piece) {
    compressor.compress(piece, frame);
    sha.update(frame);
    file.write(frame);
    object.stored_size += frame.size();
  });
  object.digest = sha.finish();
  object.is_compressed = true;
  return file;
}

}  // namespace

StagedBootstrap stage_bootstrap(store::Store& store, const tree::Tree& tree,
                                const erofs::BootstrapOptions& options, int zstd_level) {
  store::StagedBlob file = store.stage();
  const erofs::BootstrapResult written =
      erofs::write_bootstrap(tree, options, file.fd(), file.name());
  const util::MappedFile mapped(file.fd(), file.name());
  const auto release = [&mapped] { mapped.release_pages(); };
  erofs::BootstrapReader reader(mapped.bytes(), file.name());
  reader.on_entries_read(release);
  compare_with_tree(reader, tree, release);
  BootstrapObject object;
  object.size = written.size_bytes;
  object.uncompressed_digest = digest_of(mapped);
  if (zstd_level > 0) return {compress(store, mapped, zstd_level, object), object, written.inodes};
  object.digest = object.uncompressed_digest;
  object.stored_size = object.size;
  return {std::move(file), object, written.inodes};
}

}  // namespace ondemand::image
