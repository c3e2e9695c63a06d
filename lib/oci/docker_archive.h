// SPDX-License-Identifier: Apache-2.0
//
// manifest.json of a `docker save` archive.
// Source: moby, image/spec/spec.md ("Combined Image JSON + Filesystem Changeset Format").
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ondemand::oci {

struct DockerImage {
  std::string config;                  // path of the configuration in the archive
  std::vector<std::string> repo_tags;  // "name:tag"; may be empty
  std::vector<std::string> layers;     // paths of the layer tars, bottom first
};

// Throws kCorrupt for anything of another form, an empty list included.
std::vector<DockerImage> parse_docker_manifest(std::string_view json, std::string_view name);

}  // namespace ondemand::oci
