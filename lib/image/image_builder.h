// SPDX-License-Identifier: Apache-2.0
//
// The builder's story: the layers of a source image become a tree and blobs, the tree becomes a
// bootstrap, and all of it becomes one image in a store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "blob/blob_writer.h"
#include "image/data_pipeline.h"
#include "image/image_objects.h"
#include "image/read_rules.h"
#include "input/image_input.h"
#include "input/spool.h"
#include "store/store.h"

namespace ondemand::image {

// With a chunk index each, and the bootstrap, 125 layers: the most that Docker gives an image
// (moby, layer/layer_store.go, maxLayerDepth), and far below what EROFS (65535 devices) and a
// manifest can name.
inline constexpr std::size_t kDefaultMaxBlobs = 62;

struct BuildOptions {
  std::string ref;  // name in the store
  std::uint32_t chunk_size = 64 * util::kKiB;
  ZeroChunks zero_chunks = ZeroChunks::kHole;
  blob::BlobOptions blob;
  // false: a blob for each layer that adds data; true: one blob of what the final tree needs.
  bool one_blob = false;
  std::size_t jobs = 1;
  std::string tool;  // name and version, for the manifest
  // Seconds since 1970; see oci::make_erofs_config().  Times of files are never changed.
  std::optional<std::int64_t> source_date_epoch;
  // Images of the store whose chunks are referred to instead of stored again: names or digests.
  std::vector<std::string> dictionary;
  // As many blobs as the image may refer to; its own are always kept.  Range: 1..65535
  std::size_t max_blobs = kDefaultMaxBlobs;
  ReadRules rules;
  ReadProgress* progress = nullptr;  // borrowed
  // Read everything back, as strangers would, and compare it with what went in, before anything
  // becomes visible.
  bool verify = false;
  std::filesystem::path temporary =
      input::default_temporary_directory();  // where a pipe is kept that must be read twice
};

struct BuildResult {
  hash::Digest manifest;
  std::optional<hash::Digest> moved_from;  // the image that had the name before
  BootstrapObject bootstrap;
  std::vector<BlobObject> blobs;  // in the order of the device table
  DataStats data;
  // Of data.shared_bytes: what lies in blobs of the dictionary of which the final tree needs
  // nothing.
  std::uint64_t dropped_shared_bytes = 0;
  std::uint64_t layers = 0;
  std::uint64_t files = 0;  // regular, by inode
  std::uint64_t directories = 0;
  std::uint64_t inodes = 0;
  std::uint64_t added_bytes = 0;  // to the store, of blobs, indexes and bootstrap
  std::vector<std::string> warnings;
  DropList dropped;  // what EROFS cannot hold
};

// The image is in the store when it returns; when it throws, nothing of it is visible.
// The same input and options give the same bytes, whatever `jobs` is.
BuildResult build_image(input::ImageInput& input, store::Store& store, const BuildOptions& options);

}  // namespace ondemand::image
