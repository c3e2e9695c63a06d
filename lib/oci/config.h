// SPDX-License-Identifier: Apache-2.0
//
// Image configurations: what is read of the source image's, and what is made of it for the EROFS
// image.  Configurations are passed as text, because all of the source's must survive (entry
// point, environment, user, members that nobody here knows).
// Source: OCI image specification 1.1, config.md; erofs-image-spec section 5.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hash/digest.h"
#include "oci/descriptor.h"

namespace ondemand::oci {

// The parts that the reader of a source image needs.
struct ConfigFacts {
  Platform platform;                   // members may be empty
  std::vector<hash::Digest> diff_ids;  // one for each layer, bottom first
};

// Throws kCorrupt for what is no image configuration (rootfs of type "layers" with digests).
ConfigFacts parse_config(std::string_view json, std::string_view name);

// The source's configuration with these changes: rootfs.diff_ids = `diff_ids` (one for each layer
// of the EROFS image, chunk indexes included); os.features has "erofs", once; a missing
// architecture or os comes from `fallback`.
//
// history: consumers want as many entries that are not "empty_layer" as there are layers, and the
// EROFS image's layers are others than the source's.  So every entry of the source is kept and
// marked empty_layer, and one entry is added for each new layer (created_by `tool`, no time).  A
// source without history gets none.
//
// `epoch` is SOURCE_DATE_EPOCH (seconds since 1970): the time that added history entries and, where
// the source has none, `created` get; times of the source that are later become it.  Without it no
// time is added.
//
// Deterministic: fixed member order, no white space, numbers as the source writes them.  Throws
// kCorrupt as parse_config does.
std::string make_erofs_config(std::string_view source_json, std::string_view name,
                              std::span<const hash::Digest> diff_ids, std::string_view tool,
                              const Platform& fallback, std::optional<std::int64_t> epoch = {});

// The configuration for a plain root file system; `created` is the epoch, if there is one.
std::string make_default_config(const Platform& platform, std::span<const hash::Digest> diff_ids,
                                std::optional<std::int64_t> epoch = {});

// "2023-11-14T22:13:20Z".  Range: the years 0 to 9999.  Source: RFC 3339 section 5.6.
std::string to_rfc3339(std::int64_t seconds);
// Whole seconds since 1970, the fraction cut off; nullopt for any other text.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace ondemand::oci
