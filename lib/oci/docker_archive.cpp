// SPDX-License-Identifier: Apache-2.0
#include "oci/docker_archive.h"

#include "oci/json.h"
#include "oci/json_dom.h"
#include "util/text.h"

namespace ondemand::oci {

std::vector<DockerImage> parse_docker_manifest(std::string_view json, std::string_view name) {
  const Json document = parse_json(json, kMaxIndexBytes, name);
  if (!document.is_array() || document.empty())
    throw_bad_json(name, "the document", "is not a list of images");
  std::vector<DockerImage> out;
  for (std::size_t i = 0; i < document.size(); ++i) {
    const std::string where = util::concat("image[", i, "]");
    const Json& item = require_object(document[i], name, where);
    DockerImage image;
    image.config = text_member(item, "Config", name, where);
    if (image.config.empty()) throw_bad_json(name, where, "has no Config");
    image.repo_tags = text_list_member(item, "RepoTags", name, where);
    image.layers = text_list_member(item, "Layers", name, where);
    if (image.layers.size() > kMaxLayers) throw_bad_json(name, where, "has too many layers");
    out.push_back(std::move(image));
  }
  return out;
}

}  // namespace ondemand::oci
