// SPDX-License-Identifier: Apache-2.0
//
// The store: an OCI image layout directory (`oci-layout`, `index.json`, `blobs/sha256/<hex>`) that
// images are added to and read from.  Objects appear under their names complete or not at all; an
// image appears in the index after everything that it names; nothing is ever removed.  Several
// processes may add to one store at the same time.
// Source: OCI image specification 1.1, image-layout.md.
//
// Thread: every member may be called from any thread; a StagedBlob has one user at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hash/digest.h"
#include "oci/descriptor.h"
#include "store/run_directory.h"
#include "util/atomic_file.h"
#include "util/bytes.h"
#include "util/fd.h"
#include "util/stream.h"

namespace ondemand::store {

struct OpenBlob {
  util::Fd fd;             // read-only
  std::uint64_t size = 0;  // Unit: bytes
};

struct AddResult {
  bool changed = false;                    // false: the store had exactly this already
  std::optional<hash::Digest> moved_from;  // the manifest that had the name before
};

class Store;

// A blob being written.  The destructor discards what was not committed.
class StagedBlob : public util::ByteSink {
 public:
  StagedBlob(StagedBlob&& other) noexcept;
  StagedBlob& operator=(StagedBlob&&) = delete;
  ~StagedBlob() override;

  int fd() const { return fd_.get(); }               // readable and writable
  const std::string& name() const { return name_; }  // for messages
  void write(util::Bytes bytes) override;            // appends
  // Gives the bytes their name: `digest` must be their SHA-256 (the caller computed it while it
  // wrote them).  With kSync an equal object that is already there is replaced; without, it is
  // kept: it may be on the disk already.  A damaged one is replaced, by one that is on the disk.
  // Returns the size.  Throws kIo.
  std::uint64_t commit(const hash::Digest& digest);

 private:
  friend class Store;
  StagedBlob(const Store& store, std::shared_ptr<RunDirectory> run);
  bool commit_unsynced(const std::filesystem::path& final_path, std::uint64_t size);
  std::shared_ptr<RunDirectory> run_;  // keeps the temporary directory alive
  std::filesystem::path blobs_;
  util::Durability durability_;
  std::string name_;
  std::filesystem::path temporary_;
  util::Fd fd_;
  std::uint64_t written_ = 0;  // Unit: bytes, by write()
  std::uint64_t sent_ = 0;     // of those: on their way to the disk
};

class Store {
 public:
  // For writing.  Makes the directory and its parents when they are missing, and removes what
  // interrupted runs left.  With kNoSync the objects that are added may be lost by a power cut;
  // what was on the disk, and the files that name it, stay there.  Throws kUnsupported for a
  // directory with other things in it, kCorrupt for a damaged layout, kIo.
  static Store create_or_open(const std::filesystem::path& path,
                              util::Durability durability = util::Durability::kSync);
  // For reading; needs no right to write.  Throws kNotFound, kUnsupported, kCorrupt.
  static Store open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::string& name() const { return name_; }  // for messages

  bool has_blob(const hash::Digest& digest) const { return blob_size(digest).has_value(); }
  std::optional<std::uint64_t> blob_size(const hash::Digest& digest) const;
  std::filesystem::path blob_path(const hash::Digest& digest) const;
  // Not verified.  Throws kNotFound.
  OpenBlob open_blob(const hash::Digest& digest) const;
  // The whole object, verified.  Throws kNotFound, kTooLarge (more than `limit` bytes),
  // kDigestMismatch.
  std::string read_small_blob(const hash::Digest& digest, std::uint64_t limit) const;

  // The rest of the writing calls need create_or_open().
  StagedBlob stage();
  // Stores bytes at hand; the result has digest, size and the given media type.
  oci::Descriptor put_bytes(util::Bytes bytes, std::string_view media_type);
  // For an object that another run may have added with kNoSync: with kSync, it is on the disk when
  // this returns.  Throws kNotFound, kIo.
  void make_durable(const hash::Digest& digest) const;
  // Puts an image into the index under `ref` (empty: only by digest).  The manifest, its config
  // and its layers must be in the store, with their sizes.  An image that had the name stays, by
  // digest.  Throws kNotFound / kCorrupt when an object is missing / of another size, kUsage for
  // an illegal name, kIo.
  AddResult add_image(const oci::Descriptor& manifest, std::string_view ref);

  // The image manifest that a reference name or "sha256:..." digest means; an index is followed to
  // its one EROFS image for this machine's platform, else to its only image.  nullopt: none.
  // Throws kUnsupported where an index leaves a choice, kCorrupt.
  std::optional<oci::Descriptor> resolve(std::string_view reference) const;
  // The entries of index.json as they stand there.
  std::vector<oci::Descriptor> list() const;

 private:
  friend class StagedBlob;
  Store(std::filesystem::path path, util::Durability durability);
  void check_layout() const;
  void initialise();
  std::filesystem::path blobs_directory() const { return path_ / "blobs" / "sha256"; }
  std::string read_index() const;
  void write_file(const char* file, std::string_view text);
  void sync_directory(const std::filesystem::path& directory) const;
  void check_complete(const oci::Descriptor& manifest) const;
  std::optional<oci::Descriptor> choose(const std::vector<oci::Descriptor>& entries,
                                        std::string_view reference) const;

  std::filesystem::path path_;
  std::string name_;
  util::Durability durability_;
  std::shared_ptr<RunDirectory> run_;  // null in a store opened for reading
};

}  // namespace ondemand::store
