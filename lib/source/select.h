// SPDX-License-Identifier: Apache-2.0
//
// Private to this module: which entry of an image index is meant.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "oci/select.h"

namespace ondemand::source {

// Of the manifests below `entries`: the one with the feature "erofs" (for this machine's processor
// when there are several), else the only one.  nullopt when there are none.
// Throws kUnsupported when it is not clear which is meant, kCorrupt and what `read` throws.
std::optional<oci::Descriptor> select_manifest(const std::vector<oci::Descriptor>& entries,
                                               const oci::DocumentReader& read,
                                               std::string_view name);

}  // namespace ondemand::source
