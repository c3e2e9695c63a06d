// SPDX-License-Identifier: Apache-2.0
#include "oci/config.h"

#include "format/image_spec.h"
#include "oci/json.h"
#include "oci/json_dom.h"

namespace ondemand::oci {

namespace {

Json parse_config_object(std::string_view json, std::string_view name) {
  Json document = parse_json(json, kMaxConfigBytes, name);
  require_object(document, name, "the configuration");
  return document;
}

Json make_rootfs(std::span<const hash::Digest> diff_ids) {
  Json list = Json::array();
  for (const hash::Digest& digest : diff_ids)
    list.push_back(digest.to_string());
  return {{"type", "layers"}, {"diff_ids", std::move(list)}};
}

void add_os_feature(Json& config, std::string_view name) {
  // Checks the type of what is there.
  std::vector<std::string> features = text_list_member(config, "os.features", name, "config");
  std::erase(features, std::string(format::kOsFeatureErofs));
  features.emplace_back(format::kOsFeatureErofs);
  config["os.features"] = features;
}

void rewrite_history(Json& config, std::size_t layers, std::string_view name,
                     std::string_view tool) {
  if (find_member(config, "history") == nullptr) {
    config.erase("history");
    return;
  }
  Json& history = config["history"];
  if (!history.is_array()) throw_bad_json(name, "history", "is not an array");
  for (Json& entry : history) {
    require_object(entry, name, "an entry of history");
    entry["empty_layer"] = true;
  }
  for (std::size_t i = 0; i < layers; ++i)
    history.push_back({{"created_by", tool}});
}

void set_default(Json& config, std::string_view key, const std::string& value,
                 std::string_view name) {
  if (text_member(config, key, name, "config").empty() && !value.empty())
    config[std::string(key)] = value;
}

}  // namespace

ConfigFacts parse_config(std::string_view json, std::string_view name) {
  const Json config = parse_config_object(json, name);
  ConfigFacts out;
  out.platform = parse_platform_object(config, name, "config");
  const Json* rootfs = find_member(config, "rootfs");
  if (rootfs == nullptr) throw_bad_json(name, "rootfs", "is missing");
  require_object(*rootfs, name, "rootfs");
  if (text_member(*rootfs, "type", name, "rootfs") != "layers")
    throw_bad_json(name, "rootfs.type", "is not 'layers'");
  for (const std::string& text : text_list_member(*rootfs, "diff_ids", name, "rootfs"))
    out.diff_ids.push_back(parse_digest(text, name, "rootfs.diff_ids"));
  return out;
}

std::string make_erofs_config(std::string_view source_json, std::string_view name,
                              std::span<const hash::Digest> diff_ids, std::string_view tool,
                              const Platform& fallback) {
  Json config = parse_config_object(source_json, name);
  set_default(config, "architecture", fallback.architecture, name);
  set_default(config, "os", fallback.os, name);
  add_os_feature(config, name);
  rewrite_history(config, diff_ids.size(), name, tool);
  Json rootfs = make_rootfs(diff_ids);
  if (config.contains("rootfs") && config["rootfs"].is_object())
    config["rootfs"].update(rootfs);
  else
    config["rootfs"] = std::move(rootfs);
  return dump_document(config);
}

std::string make_default_config(const Platform& platform, std::span<const hash::Digest> diff_ids) {
  Json config = {{"architecture", platform.architecture}, {"os", platform.os}};
  if (!platform.variant.empty()) config["variant"] = platform.variant;
  config["config"] = Json::object();
  config["os.features"] = Json::array({format::kOsFeatureErofs});
  config["rootfs"] = make_rootfs(diff_ids);
  return dump_document(config);
}

}  // namespace ondemand::oci
