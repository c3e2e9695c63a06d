// SPDX-License-Identifier: Apache-2.0
//
// A cache root: the directory tree that prepare makes, the kernel reads and demandd fills.
//
//   <root>/cache/I<volume key>/@hh/D<hex digest>   backing files, sparse, laid out as the kernel's
//                                                  cachefiles lays them out (backing_path.h)
//   <root>/graveyard/                the kernel's, for what it culls; made here because in demand
//                                    mode the kernel makes no directory
//   <root>/images/sha256/<hex>       manifests of prepared images, byte for byte; one becomes
//                                    visible after everything else of its image
//   <root>/refs/<escaped name>       text "sha256:<hex>\n": the name that prepare was given
//   <root>/chunk-index/<blob hex>    verified standalone chunk index of that blob
//   <root>/tmp/                      temporaries; <root>/lock: taken by prepare and cull
//   <root>/demandd.lock, demandd.sock
//
// What is present of a blob is told by the backing file alone (SEEK_DATA/SEEK_HOLE).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hash/digest.h"
#include "oci/descriptor.h"
#include "oci/erofs_image.h"
#include "util/units.h"

namespace ondemand::cache {

// Default place and default domain: volume key "erofs,<domain>".
inline constexpr std::string_view kDefaultRoot = "/var/cache/erofs-ondemand";
inline constexpr std::string_view kDefaultDomain = "ondemand";

// One data blob of a prepared image.
struct PreparedBlob {
  hash::Digest digest;                 // of the stored blob; names the backing file
  std::filesystem::path backing_file;  // sparse, full size
  std::uint64_t size = 0;              // kernel view, bytes; a multiple of 4096
  std::filesystem::path chunk_index;   // standalone index payload; empty when prepare filled the
                                       // blob completely because it has no usable index
  std::uint64_t stored_size = 0;       // bytes of the blob on the server
  // What blob::ChunkIndex::decode() needs as stored_end: stored_size, or where an embedded index
  // begins.
  std::uint64_t stored_end = 0;
  // Of the payload, as the manifest states it; present whenever chunk_index is.
  std::optional<hash::Digest> chunk_index_digest;
};

struct PreparedImage {
  hash::Digest manifest;
  std::filesystem::path bootstrap;   // complete
  hash::Digest bootstrap_digest;     // of the uncompressed bootstrap; its cookie
  std::uint64_t bootstrap_size = 0;  // of the backing file: padded to 4096
  std::vector<PreparedBlob> blobs;   // device-table order
};

// One recorded name.
struct ImageName {
  std::string name;
  hash::Digest manifest;
};

class CacheRoot {
 public:
  // The directory need not exist; create() makes the skeleton (0700).
  explicit CacheRoot(std::filesystem::path root, std::string domain = std::string(kDefaultDomain));

  const std::filesystem::path& path() const { return root_; }
  const std::string& domain() const { return domain_; }
  std::string volume_key() const { return "erofs," + domain_; }
  void create() const;

  std::filesystem::path cache_directory() const;  // <root>/cache: holds the volumes
  std::filesystem::path backing_file(const hash::Digest& cookie) const;
  std::filesystem::path images_directory() const;  // watched by demandd for new images
  std::filesystem::path manifest_file(const hash::Digest& manifest) const;
  std::filesystem::path chunk_index_file(const hash::Digest& blob) const;
  std::filesystem::path name_file(std::string_view name) const;  // kTooLarge for an endless name
  std::filesystem::path temporary_directory() const;

  // A name or "sha256:..." of a prepared image -> its manifest digest; nullopt when not prepared.
  std::optional<hash::Digest> resolve(std::string_view reference) const;
  // Manifest digests of all prepared images, sorted.
  std::vector<hash::Digest> list_images() const;
  // Recorded names, sorted.  Throws kCorrupt, kIo.
  std::vector<ImageName> list_names() const;
  // Reads and interprets the recorded manifest.  Throws kNotFound, also for an image of which a
  // backing file is missing, kCorrupt, kDigestMismatch.
  PreparedImage open_image(const hash::Digest& manifest) const;
  // The same whatever files are missing: their sizes are 0.
  PreparedImage open_record(const hash::Digest& manifest) const;
  // The recorded manifest alone: verified text.
  std::string read_manifest(const hash::Digest& manifest) const;

 private:
  std::filesystem::path root_;
  std::string domain_;
};

}  // namespace ondemand::cache
