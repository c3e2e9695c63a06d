// SPDX-License-Identifier: Apache-2.0
//
// A backing file of a demand cache as the engine fills it: by path, with direct I/O.
//
// The kernel asks the file system itself what is present, at any time; so nothing here may make a
// block count as data before its bytes are there.  The only holes that are ever made in a file in
// use are of extents that a failed write has left without data (failed_writes.h).
#pragma once

#include <string>
#include <vector>

#include "serve/target.h"
#include "transport/aligned_pieces.h"
#include "transport/failed_writes.h"
#include "util/fd.h"

namespace ondemand::transport {

class DirectTarget : public serve::Target {
 public:
  // Opens the file.  Throws kNotFound, kIo (also where the file system has no direct I/O: then the
  // kernel cannot use it either), kCorrupt when it is not a regular file of that size.
  DirectTarget(const std::filesystem::path& path, std::string name, std::uint64_t size);

  const std::string& name() const override { return name_; }
  std::vector<util::ByteRange> missing(util::ByteRange range) override;
  void write(std::uint64_t offset, util::Bytes bytes) override;

  // Something may be there without data that only missing() of this one tells.
  bool is_damaged() const { return failed_.has_left_over(); }
  // The file that was opened is still the one at that path.
  bool is_at(const std::filesystem::path& path) const;

 private:
  const std::string name_;
  const util::Fd fd_;
  FailedWrites failed_;
};

}  // namespace ondemand::transport
