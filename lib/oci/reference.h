// SPDX-License-Identifier: Apache-2.0
//
// Names of images and platforms as people write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/descriptor.h"

namespace ondemand::oci {

// Ours: longer than any registry, repository and tag together (255 + 128).
inline constexpr std::size_t kMaxRefNameBytes = 512;

// True for a name that may stand in org.opencontainers.image.ref.name: letters, digits and
// "-._:@/+", beginning and ending with a letter or digit ('_' may begin), no empty path component;
// not beginning with "sha256:" (or "sha512:"), so that this always means a digest.
// Source: OCI image specification 1.1, annotations.md, org.opencontainers.image.ref.name.
bool is_valid_ref_name(std::string_view name);
// Throws kUsage "reference 'x': check: reason".
void check_ref_name(std::string_view name);
// A legal name made of any text ("My image.tar" -> "My-image.tar"); empty when nothing is left.
std::string make_ref_name(std::string_view text);

// True for "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}".
// Source: OCI distribution specification 1.1, "Pulling manifests".
bool is_valid_tag(std::string_view tag);

// "os/architecture[/variant]" as in linux/arm64/v8.  Throws kUsage for another form.
Platform parse_platform(std::string_view text);
std::string to_string(const Platform& platform);
// Linux on this machine's processor, in the words of GOARCH.
Platform host_platform();
// True when an image for `have` is what a request for `want` means: os and architecture are equal,
// and the variants are, where both are known.  Source: the default variants of containerd's
// platforms package: v8 for arm64, v7 for arm, v1 for amd64.
bool matches(const Platform& want, const Platform& have);
// os.features has `feature`.
bool has_os_feature(const Platform& platform, std::string_view feature);

}  // namespace ondemand::oci
