// SPDX-License-Identifier: Apache-2.0
//
// OCI content descriptors, manifests and indexes as plain data.
// Source: OCI image specification 1.1, descriptor.md, manifest.md, image-index.md.
//
// Thread: plain values; concurrent reading is safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hash/digest.h"

namespace ondemand::oci {

using Annotations = std::map<std::string, std::string, std::less<>>;

struct Platform {
  std::string architecture;
  std::string os;
  std::string variant;
  std::string os_version;
  std::vector<std::string> os_features;

  bool operator==(const Platform&) const = default;
};

struct Descriptor {
  std::string media_type;
  hash::Digest digest;
  std::uint64_t size = 0;  // Unit: bytes
  Annotations annotations;
  std::optional<Platform> platform;
  std::string artifact_type;
  std::vector<std::string> urls;  // where a "foreign" layer may be had; informational

  // Value of an annotation; empty when it is absent.
  std::string annotation(std::string_view key) const;
};

struct Manifest {
  std::string media_type;
  std::string artifact_type;
  Descriptor config;
  std::vector<Descriptor> layers;
  std::optional<Descriptor> subject;
  Annotations annotations;
};

struct Index {
  std::vector<Descriptor> manifests;
  Annotations annotations;
};

}  // namespace ondemand::oci
