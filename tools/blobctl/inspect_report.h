// SPDX-License-Identifier: Apache-2.0
//
// The fields of a bootstrap, a chunk index or a manifest, in sections, and their two forms.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "erofs/describe.h"
#include "util/bytes.h"

namespace ondemand::blobctl {

struct InspectSection {
  std::string name;
  bool is_list = false;  // one table: a single member
  std::vector<erofs::Fields> members;
};

struct InspectReport {
  std::string type;  // "bootstrap", "chunk-index", "manifest"
  std::vector<InspectSection> sections;
};

// Tells by the bytes what they are.  `name` is for messages; `path` names an inode of a bootstrap
// (may be empty).  Throws kUnsupported for bytes of another kind, kCorrupt, kNotFound (path),
// kUsage (a path in something that has none).
InspectReport inspect_bytes(util::Bytes bytes, const std::string& name, const std::string& path);

std::string to_json(const InspectReport& report);
void print(const InspectReport& report, std::ostream& out);

}  // namespace ondemand::blobctl
