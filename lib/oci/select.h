// SPDX-License-Identifier: Apache-2.0
//
// From a list of index entries to the one image that is meant: nested indexes, reference names,
// platforms.  Knows nothing of where documents are kept.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/descriptor.h"

namespace ondemand::oci {

// Ours: indexes that are followed below one list, and manifests that they may name in all.
inline constexpr std::size_t kMaxNestedIndexes = 256;
inline constexpr std::size_t kMaxManifests = 65536;

// The document that a descriptor names, its digest checked; nullopt when it is not there.
using DocumentReader = std::function<std::optional<std::string>(const Descriptor&)>;

// Every image manifest below `entries`, in order, each digest once; attestations (platform
// unknown/unknown) left out.  Entries of a nested index keep their own annotations and take the
// index' platform where they have none.  An index that `read` does not have is passed over.
// Throws kTooLarge beyond the limits above, and what `read` throws.
std::vector<Descriptor> collect_manifests(const std::vector<Descriptor>& entries,
                                          const DocumentReader& read, std::string_view name);

// The entry of that digest (a manifest or an index, no attestation) among `entries` and in all
// indexes below them; with the platform and, where it has no name, the name of what leads to it.
// Throws as above.
std::optional<Descriptor> find_entry(const std::vector<Descriptor>& entries,
                                     const hash::Digest& digest, const DocumentReader& read,
                                     std::string_view name);

// The entries whose reference name is `ref`; Docker's own full name annotation counts too.
std::vector<Descriptor> entries_named(const std::vector<Descriptor>& entries, std::string_view ref);
// The best name of an entry: Docker's full name, else the OCI reference name, else empty.
std::string display_name(const Descriptor& entry);
// True when the os.features of the entry's platform have "erofs".
bool is_erofs_entry(const Descriptor& entry);

}  // namespace ondemand::oci
