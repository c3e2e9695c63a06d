// SPDX-License-Identifier: Apache-2.0
//
// The objects of an image that nobody can see yet, as a source for those who read images: staged
// files, objects in memory, and behind them what the store has already.
//
// Thread: one user at a time while objects are added, then any.
#pragma once

#include <map>
#include <string>

#include "source/source.h"
#include "store/store.h"

namespace ondemand::image {

class StagedSource final : public source::Source {
 public:
  // Borrows the store.
  explicit StagedSource(const store::Store& store) : store_(store), name_("what was written") {}

  // Borrows the descriptor.
  void add_file(const hash::Digest& digest, int fd, std::uint64_t size);
  // Returns their digest.
  hash::Digest add_bytes(std::string bytes);

  const std::string& name() const override { return name_; }
  // Range: `reference` is the digest of an object that was added.
  std::optional<source::ManifestBytes> find_manifest(std::string_view reference,
                                                     source::Deadline deadline) override;
  bool read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                 source::Deadline deadline) override;
  bool copy_blob(const hash::Digest& blob, std::uint64_t size, util::ByteSink& sink,
                 std::chrono::milliseconds stall_timeout) override;

 private:
  struct File {
    int fd = -1;
    std::uint64_t size = 0;
  };
  bool read(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out) const;

  const store::Store& store_;
  const std::string name_;
  std::map<hash::Digest, File> files_;
  std::map<hash::Digest, std::string> objects_;
};

}  // namespace ondemand::image
