// SPDX-License-Identifier: Apache-2.0
#include "oci/config.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>

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

// Of a time that parse_rfc3339() takes: is it later than its whole seconds?
bool has_fraction(std::string_view text) {
  if (text.size() < 20 || text[19] != '.') return false;
  const std::string_view digits = text.substr(20);
  return digits.substr(0, digits.find_first_not_of("0123456789")).find_first_not_of('0') !=
         std::string_view::npos;
}

// A time after the epoch would make the result depend on when the source was built.
void clamp_created(Json& object, std::optional<std::int64_t> epoch) {
  const Json* created = find_member(object, "created");
  if (!epoch || created == nullptr || !created->is_string()) return;
  const auto time = parse_rfc3339(created->get<std::string>());
  if (!time || *time > *epoch || (*time == *epoch && has_fraction(created->get<std::string>())))
    object["created"] = to_rfc3339(*epoch);
}

void set_created(Json& config, std::optional<std::int64_t> epoch) {
  if (epoch && find_member(config, "created") == nullptr) config["created"] = to_rfc3339(*epoch);
  clamp_created(config, epoch);
}

void rewrite_history(Json& config, std::size_t layers, std::string_view name, std::string_view tool,
                     std::optional<std::int64_t> epoch) {
  if (find_member(config, "history") == nullptr) {
    config.erase("history");
    return;
  }
  Json& history = config["history"];
  if (!history.is_array()) throw_bad_json(name, "history", "is not an array");
  for (Json& entry : history) {
    require_object(entry, name, "an entry of history");
    entry["empty_layer"] = true;
    clamp_created(entry, epoch);
  }
  Json added = {{"created_by", tool}};
  if (epoch) added["created"] = to_rfc3339(*epoch);
  for (std::size_t i = 0; i < layers; ++i)
    history.push_back(added);
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
                              const Platform& fallback, std::optional<std::int64_t> epoch) {
  Json config = parse_config_object(source_json, name);
  set_default(config, "architecture", fallback.architecture, name);
  set_default(config, "os", fallback.os, name);
  add_os_feature(config, name);
  rewrite_history(config, diff_ids.size(), name, tool, epoch);
  set_created(config, epoch);
  Json rootfs = make_rootfs(diff_ids);
  if (config.contains("rootfs") && config["rootfs"].is_object())
    config["rootfs"].update(rootfs);
  else
    config["rootfs"] = std::move(rootfs);
  return dump_document(config);
}

std::string make_default_config(const Platform& platform, std::span<const hash::Digest> diff_ids,
                                std::optional<std::int64_t> epoch) {
  Json config = {{"architecture", platform.architecture}, {"os", platform.os}};
  if (!platform.variant.empty()) config["variant"] = platform.variant;
  config["config"] = Json::object();
  config["os.features"] = Json::array({format::kOsFeatureErofs});
  config["rootfs"] = make_rootfs(diff_ids);
  set_created(config, epoch);
  return dump_document(config);
}

std::string to_rfc3339(std::int64_t seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[48];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  const auto number = [&text](std::size_t at, std::size_t len) -> int {
    int value = 0;
    for (std::size_t i = at; i < at + len; ++i) {
      if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
      value = value * 10 + (text[i] - '0');
    }
    return value;
  };
  const auto is = [&text](std::size_t at, std::string_view set) {
    return at < text.size() && set.find(text[at]) != std::string_view::npos;
  };
  if (!is(4, "-") || !is(7, "-") || !is(10, "Tt ") || !is(13, ":") || !is(16, ":")) return {};
  const int parts[] = {number(0, 4),  number(5, 2),  number(8, 2),
                       number(11, 2), number(14, 2), number(17, 2)};
  if (std::any_of(std::begin(parts), std::end(parts), [](int part) { return part < 0; })) return {};
  const std::chrono::year_month_day date{std::chrono::year(parts[0]),
                                         std::chrono::month(static_cast<unsigned>(parts[1])),
                                         std::chrono::day(static_cast<unsigned>(parts[2]))};
  if (!date.ok() || parts[3] > 23 || parts[4] > 59 || parts[5] > 60) return {};
  std::int64_t seconds = std::chrono::sys_seconds(std::chrono::sys_days(date)).time_since_epoch() /
                         std::chrono::seconds(1);
  seconds += parts[3] * 3600 + parts[4] * 60 + parts[5];
  std::size_t at = 19;
  if (is(at, "."))
    for (++at; is(at, "0123456789"); ++at) {
    }
  if (is(at, "Zz")) return at + 1 == text.size() ? std::optional(seconds) : std::nullopt;
  const int hours = number(at + 1, 2);
  const int minutes = number(at + 4, 2);
  if (!is(at, "+-") || !is(at + 3, ":") || at + 6 != text.size() || hours < 0 || minutes < 0)
    return {};
  const int offset = hours * 3600 + minutes * 60;
  return seconds - (text[at] == '-' ? -offset : offset);
}

}  // namespace ondemand::oci
