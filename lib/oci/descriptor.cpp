// SPDX-License-Identifier: Apache-2.0
#include "oci/descriptor.h"

#include "oci/json_dom.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::oci {

namespace {

using util::concat;

std::uint64_t parse_size(const Json& object, std::string_view name, std::string_view where) {
  const Json* size = find_member(object, "size");
  if (size == nullptr) throw_bad_json(name, where, "has no size");
  if (!size->is_number_unsigned())
    throw_bad_json(name, concat(where, ".size"), "is not a whole number of bytes");
  const auto value = size->get<std::uint64_t>();
  // Sizes become file offsets, which are signed.
  if (value > INT64_MAX) throw_bad_json(name, concat(where, ".size"), "is too large");
  return value;
}

Annotations parse_annotations_member(const Json& object, std::string_view name,
                                     std::string_view where) {
  Annotations out;
  const Json* member = find_member(object, "annotations");
  if (member == nullptr) return out;
  const std::string place = concat(where, ".annotations");
  require_object(*member, name, place);
  for (auto item = member->begin(); item != member->end(); ++item) {
    if (!item->is_string())
      throw_bad_json(name, place, concat("'", util::printable(item.key()), "' is not a string"));
    out.emplace(item.key(), item->get_ref<const std::string&>());
  }
  return out;
}

Json platform_to_json(const Platform& platform) {
  Json out = {{"architecture", platform.architecture}, {"os", platform.os}};
  if (!platform.variant.empty()) out["variant"] = platform.variant;
  if (!platform.os_version.empty()) out["os.version"] = platform.os_version;
  if (!platform.os_features.empty()) out["os.features"] = platform.os_features;
  return out;
}

}  // namespace

std::string Descriptor::annotation(std::string_view key) const {
  const auto found = annotations.find(key);
  return found == annotations.end() ? std::string() : found->second;
}

Platform parse_platform_object(const Json& value, std::string_view name, std::string_view where) {
  require_object(value, name, where);
  Platform out;
  out.architecture = text_member(value, "architecture", name, where);
  out.os = text_member(value, "os", name, where);
  out.variant = text_member(value, "variant", name, where);
  out.os_version = text_member(value, "os.version", name, where);
  out.os_features = text_list_member(value, "os.features", name, where);
  return out;
}

Descriptor parse_descriptor(const Json& value, std::string_view name, std::string_view where) {
  require_object(value, name, where);
  Descriptor out;
  out.media_type = text_member(value, "mediaType", name, where);
  const std::string digest = text_member(value, "digest", name, where);
  out.digest = parse_digest(digest, name, concat(where, ".digest"));
  out.size = parse_size(value, name, where);
  out.annotations = parse_annotations_member(value, name, where);
  out.artifact_type = text_member(value, "artifactType", name, where);
  out.urls = text_list_member(value, "urls", name, where);
  if (const Json* platform = find_member(value, "platform"))
    out.platform = parse_platform_object(*platform, name, concat(where, ".platform"));
  return out;
}

Json descriptor_to_json(const Descriptor& descriptor) {
  Json out = {{"mediaType", descriptor.media_type},
              {"digest", descriptor.digest.to_string()},
              {"size", descriptor.size}};
  if (!descriptor.annotations.empty()) out["annotations"] = descriptor.annotations;
  if (!descriptor.artifact_type.empty()) out["artifactType"] = descriptor.artifact_type;
  if (!descriptor.urls.empty()) out["urls"] = descriptor.urls;
  if (descriptor.platform) out["platform"] = platform_to_json(*descriptor.platform);
  return out;
}

}  // namespace ondemand::oci
