// SPDX-License-Identifier: Apache-2.0
#include "oci/json_dom.h"

#include <algorithm>
#include <array>

#include "oci/json.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::oci {

namespace {

using util::concat;
using util::Error;
using util::ErrorCode;

// Members of manifests, indexes and descriptors in the order in which people expect them.
constexpr std::array<std::string_view, 15> kMemberOrder{
    "schemaVersion", "mediaType",    "artifactType", "digest",     "size",
    "urls",          "config",       "layers",       "manifests",  "subject",
    "platform",      "architecture", "os",           "os.version", "os.features"};

std::string scalar_text(const Json& value) {
  try {
    return value.dump();
  } catch (const Json::exception&) {
    throw Error(ErrorCode::kUsage, "JSON: write: text is not valid UTF-8");
  }
}

void append_value(std::string& out, const Json& value);

void append_member(std::string& out, const std::string& key, const Json& value, bool& first) {
  if (!first) out.push_back(',');
  first = false;
  out.append(scalar_text(Json(key))).push_back(':');
  append_value(out, value);
}

void append_object(std::string& out, const Json& object) {
  bool first = true;
  out.push_back('{');
  for (const std::string_view key : kMemberOrder) {
    const auto member = object.find(key);
    if (member != object.end()) append_member(out, member.key(), *member, first);
  }
  for (auto member = object.begin(); member != object.end(); ++member)
    if (std::ranges::find(kMemberOrder, member.key()) == kMemberOrder.end())
      append_member(out, member.key(), *member, first);
  out.push_back('}');
}

// Recursion is bounded: what was parsed is at most kMaxJsonDepth deep, what we build is flat.
void append_value(std::string& out, const Json& value) {
  if (value.is_object()) {
    append_object(out, value);
  } else if (value.is_array()) {
    out.push_back('[');
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out.push_back(',');
      append_value(out, value[i]);
    }
    out.push_back(']');
  } else if (value.is_binary()) {  // number_with_text()
    out.append(value.get_binary().begin(), value.get_binary().end());
  } else {
    out.append(scalar_text(value));
  }
}

}  // namespace

Json number_with_text(std::string_view text) {
  return Json::binary({text.begin(), text.end()});
}

std::string dump_document(const Json& value) {
  std::string out;
  append_value(out, value);
  return out;
}

void throw_bad_json(std::string_view name, std::string_view where, std::string_view reason) {
  throw Error(ErrorCode::kCorrupt, concat(name, ": parse: ", where, " ", reason));
}

const Json* find_member(const Json& object, std::string_view key) {
  const auto member = object.find(key);
  return member == object.end() || member->is_null() ? nullptr : &*member;
}

const Json& require_object(const Json& value, std::string_view name, std::string_view where) {
  if (!value.is_object()) throw_bad_json(name, where, "is not an object");
  return value;
}

std::string text_member(const Json& object, std::string_view key, std::string_view name,
                        std::string_view where) {
  const Json* member = find_member(object, key);
  if (member == nullptr) return {};
  if (!member->is_string()) throw_bad_json(name, concat(where, ".", key), "is not a string");
  return member->get_ref<const std::string&>();
}

std::vector<std::string> text_list_member(const Json& object, std::string_view key,
                                          std::string_view name, std::string_view where) {
  std::vector<std::string> out;
  const Json* member = find_member(object, key);
  if (member == nullptr) return out;
  const std::string place = concat(where, ".", key);
  if (!member->is_array()) throw_bad_json(name, place, "is not an array");
  for (const Json& item : *member) {
    if (!item.is_string()) throw_bad_json(name, place, "holds something that is not a string");
    out.push_back(item.get_ref<const std::string&>());
  }
  return out;
}

hash::Digest parse_digest(std::string_view text, std::string_view name, std::string_view where) {
  const auto digest = hash::Digest::parse(text);
  if (!digest) {
    const std::string shown = util::printable(text.substr(0, 100));
    throw_bad_json(name, where, concat("is not a sha256 digest: '", shown, "'"));
  }
  return *digest;
}

}  // namespace ondemand::oci
