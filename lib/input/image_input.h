// SPDX-License-Identifier: Apache-2.0
//
// What the user names as IMAGE, whatever its form: layers to read in order, the configuration,
// the identity.  Forms: OCI archive, `docker save` archive, OCI layout directory, root file system
// tar; from a file or standard input; the whole compressed with gzip, zstd, xz or not at all.
//
// Archives in a seekable, uncompressed file are read in place; others are copied, uncompressed,
// into a temporary file without a name.  Of a root file system tar in a stream only
// what comes before the first name that tells it (form.h) is copied.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hash/digest.h"
#include "input/form.h"
#include "input/layer.h"
#include "input/spool.h"
#include "oci/descriptor.h"
#include "util/fd.h"

namespace ondemand::input {

struct InputOptions {
  std::string image;  // path, or "-" for standard input
  int stdin_fd = 0;   // what "-" reads; borrowed
  std::filesystem::path temporary = default_temporary_directory();  // where copies go
  // As much of a stream as may be kept there.  Unit: bytes, uncompressed
  std::uint64_t max_bytes = std::uint64_t{1} << 40;
  // Told how much of a stream has been kept, where that takes long.  Borrowed.
  std::atomic<std::uint64_t>* kept_bytes = nullptr;
  // Selects inside an archive or index by reference name ("name:tag" of docker save too), or by
  // "sha256:..." of a manifest, of an index (whose images are then the choice), or of a
  // configuration for docker save; empty: the only one.
  std::string ref;
  // true: where IMAGE leaves no choice, a name does not select (it may be that of the result).  A
  // digest always does.
  bool ref_is_optional = false;
  // Selects inside an index; absent: the only image, else the one for this machine.
  std::optional<oci::Platform> platform;
};

struct ImageInput {
  Form form = Form::kRootfs;
  std::string name;           // for messages
  std::vector<Layer> layers;  // bottom first; each may be opened in turn or at the same time
  std::string config_json;    // empty for a root file system tar
  oci::Platform platform;  // of the image; for a root file system the option's, or this machine's
  // Digest of the source's manifest (of its configuration for docker save, whose identity it is);
  // none for a root file system, of which nothing says what it should be.
  std::optional<hash::Digest> source_digest;
  std::string default_ref;  // the image's own name in its archive; empty when it has none
  // The file in which a root file system tar lies, when it can be read again; none for a stream.
  std::shared_ptr<const util::Fd> rootfs_file;
  // Unit: bytes of all layers as stored, for progress; 0 when unknown.
  std::uint64_t stored_bytes = 0;
};

// Finds out the form, selects the image and checks manifest and configuration: digests, sizes,
// types, as many diffIDs as layers.  The layers themselves are checked while they are read.
// Throws kNotFound (no such file, reference, platform; an object that is missing; the message
// lists what there is), kCorrupt, kDigestMismatch, kUnsupported (another kind of file, media type
// or image), kUsage (a choice is needed), kTooLarge, kIo.
ImageInput open_image(const InputOptions& options);

}  // namespace ondemand::input
