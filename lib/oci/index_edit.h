// SPDX-License-Identifier: Apache-2.0
//
// Adding an image to an index document that others may have written: nothing that is there, known
// or unknown, is lost.  Pure: text in, text out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/descriptor.h"

namespace ondemand::oci {

struct IndexEdit {
  std::string json;
  bool changed = false;
  // The manifest that had the name until now; it stays in the index without a name.
  std::optional<hash::Digest> moved_from;
};

// Makes `ref` (empty: no name) mean `manifest` in `index_json`.  An entry of the same manifest that
// has no name yet takes the name; the same entry twice is never made.  No entry is dropped, unless
// losing its name makes it equal to another one.
// Throws kCorrupt for what is no index.
IndexEdit add_to_index(std::string_view index_json, std::string_view name,
                       const Descriptor& manifest, std::string_view ref);

}  // namespace ondemand::oci
