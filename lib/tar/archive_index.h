// SPDX-License-Identifier: Apache-2.0
//
// Where the members of an archive lie, so that one that can seek (a docker save or OCI archive in
// a file) is read once for its headers and then by position.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tar/entry.h"
#include "util/units.h"

namespace ondemand::tar {

struct MemberLocation {
  std::string path;                      // without leading "./"
  EntryType type = EntryType::kRegular;  // kRegular, kSymlink or kHardlink
  util::ByteRange data;                  // in the archive; regular files only
  std::string link_target;               // links only: docker save links equal layers
};

// Of an open file, from its beginning, without reading the data.  Members of other types and sparse
// files are left out.  Borrows `fd`; its position does not matter and stays.  `name` stands in
// messages.  Throws as TarReader::next() does; kTooLarge above kMaxMembers.
std::vector<MemberLocation> index_archive_file(int fd, const std::string& name);

// Shows the path of every entry, of any type, to `visit` until that returns false.  Reads headers
// only and keeps nothing, so that the number of entries does not matter.
void visit_paths(int fd, const std::string& name,
                 const std::function<bool(const std::string&)>& visit);

inline constexpr std::size_t kMaxMembers = 1'000'000;

}  // namespace ondemand::tar
