// SPDX-License-Identifier: Apache-2.0
//
// An image as those read it who have no kernel at hand: its bootstrap in memory, its blobs frame by
// frame from wherever a source has them.  This is the independent reader path: it shares with the
// builder the tables of the formats and nothing of what writes them.
//
// Chain of trust: reference or digest -> manifest -> bootstrap and chunk indexes -> frames; each is
// checked before it is used.
//
// Thread: one user at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "erofs/bootstrap_reader.h"
#include "hash/digest.h"
#include "oci/erofs_image.h"
#include "source/source.h"
#include "util/fd.h"
#include "util/mapped_file.h"
#include "view/kernel_view.h"

namespace ondemand::view {

// A verified object in a file without a name, whole and uncompressed.
struct WholeObject {
  util::Fd fd;
  std::uint64_t size = 0;
  hash::Digest uncompressed_digest;
};

// Fetches and, for kZstd, decompresses; `expected` is the digest of the uncompressed bytes where it
// is known.  `limit`: of the uncompressed bytes.  Throws kNotFound, kDigestMismatch, kCorrupt,
// kTooLarge, kIo, and what the source throws.
WholeObject fetch_whole(source::Source& source, const oci::Descriptor& descriptor,
                        oci::Framing framing, const std::optional<hash::Digest>& expected,
                        const std::filesystem::path& temporary, std::uint64_t limit,
                        const std::string& name);

// The verified chunk index of a blob; nullopt when there is none that we can use.  Throws as above.
std::optional<blob::ChunkIndex> fetch_index(source::Source& source, const oci::DeviceBlob& device,
                                            const std::string& name);

class ImageView {
 public:
  // Borrows the source.  `temporary` is where the uncompressed bootstrap goes, in a file without a
  // name, and a blob that has no usable chunk index.  Throws kNotFound when the source has no such
  // image, kUnsupported for other images than EROFS ones, and as above.
  ImageView(source::Source& source, std::string_view reference,
            const std::filesystem::path& temporary);

  const std::string& name() const { return name_; }  // "image REF", for messages
  const oci::Manifest& manifest() const { return manifest_; }
  const oci::ErofsImage& image() const { return image_; }
  const erofs::BootstrapReader& bootstrap() const { return *bootstrap_; }

  // Compares the device table with the blobs of the manifest (number, tags), and checks the whole
  // bootstrap.  Throws kCorrupt with the first thing that is wrong.
  void check_structure() const;

  // The bytes of a range of a file, holes as zeros.  Range: inside the inode's size.
  void read(const erofs::InodeInfo& inode, util::ByteRange range, const UseBytes& use);
  // Range: extent.kind is kBlocks or kInline.
  void read_extent(const erofs::FileExtent& extent, const UseBytes& use);

 private:
  KernelView& device(std::size_t index);

  source::Source& source_;
  std::filesystem::path temporary_;
  std::string name_;
  oci::Manifest manifest_;
  oci::ErofsImage image_;
  std::unique_ptr<util::MappedFile> mapped_;
  std::unique_ptr<erofs::BootstrapReader> bootstrap_;
  FrameCache cache_;
  std::vector<std::unique_ptr<KernelView>> devices_;  // opened when first read
};

// How much the blob in a slot may decompress to.  Unit: bytes.  No file reaches behind its slot, so
// what is much longer is a bomb; some slack, as a blob may have a tail that no file names (the
// padding of a tar).  Range: index < bootstrap.devices().size().
std::uint64_t view_limit(const erofs::BootstrapReader& bootstrap, std::size_t index);

// What a bootstrap's device table must agree on with the blobs that a manifest gives it.  Throws
// kCorrupt: a blob in the wrong slot would be foreign bytes under every file.
void check_device_slots(const erofs::BootstrapReader& bootstrap,
                        const std::vector<oci::DeviceBlob>& blobs, const std::string& name);

}  // namespace ondemand::view
