// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <utility>

#include "hash/digest.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::oci {

namespace {

using util::concat;
using util::Error;
using util::ErrorCode;

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_ref_character(char c) {
  return is_alphanumeric(c) || std::string_view("-._:@/+").find(c) != std::string_view::npos;
}

bool is_platform_word(std::string_view word) {
  return !word.empty() && word.size() <= 64 && std::ranges::all_of(word, [](char c) {
    return is_alphanumeric(c) || c == '_' || c == '-' || c == '.';
  });
}

// Empty text: the name is legal.
std::string_view ref_name_fault(std::string_view name) {
  if (name.empty()) return "the name is empty";
  if (name.size() > kMaxRefNameBytes) return "the name is too long";
  if (!std::ranges::all_of(name, is_ref_character))
    return "only letters, digits and -._:@/+ are allowed";
  if (!(is_alphanumeric(name.front()) || name.front() == '_') ||
      !(is_alphanumeric(name.back()) || name.back() == '_'))
    return "the name must begin and end with a letter or a digit";
  if (name.find("//") != std::string_view::npos) return "a part between slashes is empty";
  if (hash::Digest::parse(name)) return "a digest cannot be a name";
  if (name.starts_with("sha256:") || name.starts_with("sha512:"))
    return "is no name and no digest, which is sha256: and 64 of 0-9 and a-f";
  return {};
}

std::string_view default_variant(std::string_view architecture) {
  if (architecture == "arm64") return "v8";
  if (architecture == "arm") return "v7";
  if (architecture == "amd64") return "v1";
  return {};
}

}  // namespace

bool is_valid_ref_name(std::string_view name) {
  return ref_name_fault(name).empty();
}

void check_ref_name(std::string_view name) {
  const std::string_view fault = ref_name_fault(name);
  if (!fault.empty()) {
    const std::string shown = util::printable(name.substr(0, 100));
    throw Error(ErrorCode::kUsage, concat("reference '", shown, "': check: ", fault));
  }
}

std::string make_ref_name(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxRefNameBytes)) {
    const char legal = is_ref_character(c) || c == '_' ? c : '-';
    if (legal == '/' && out.ends_with('/')) continue;
    out.push_back(legal);
  }
  const auto first = std::ranges::find_if(out, is_alphanumeric);
  out.erase(out.begin(), first);
  while (!out.empty() && !is_alphanumeric(out.back()))
    out.pop_back();
  return is_valid_ref_name(out) ? out : std::string();
}

bool is_valid_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= 128 &&
         (is_alphanumeric(tag.front()) || tag.front() == '_') &&
         std::ranges::all_of(
             tag, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

Platform parse_platform(std::string_view text) {
  std::array<std::string_view, 3> words;
  std::size_t count = 0;
  for (std::string_view rest = text; count < words.size();) {
    const std::size_t slash = rest.find('/');
    words[count++] = rest.substr(0, slash);
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
    if (count == words.size()) count = words.size() + 1;  // a fourth word
  }
  const bool good = (count == 2 || count == 3) &&
                    std::all_of(words.begin(), words.begin() + count, is_platform_word);
  if (!good) {
    throw Error(ErrorCode::kUsage,
                concat("platform '", util::printable(text.substr(0, 100)),
                       "': parse: the form is os/architecture[/variant], as in linux/arm64/v8"));
  }
  Platform out;
  out.os = words[0];
  out.architecture = words[1];
  out.variant = words[2];
  return out;
}

std::string to_string(const Platform& platform) {
  std::string out = concat(platform.os, "/", platform.architecture);
  if (!platform.variant.empty()) out.append("/").append(platform.variant);
  return util::printable(out);
}

Platform host_platform() {
  // Machine names of uname(2) and what Go, and so every image, calls them.
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kNames{{
      {"x86_64", "amd64"},
      {"aarch64", "arm64"},
      {"armv7l", "arm"},
      {"armv6l", "arm"},
      {"i686", "386"},
      {"i386", "386"},
      {"ppc64le", "ppc64le"},
      {"s390x", "s390x"},
      {"riscv64", "riscv64"},
      {"loongarch64", "loong64"},
  }};
  struct utsname names {};
  ::uname(&names);
  const std::string_view machine(names.machine);
  Platform out;
  out.os = "linux";
  const auto found =
      std::ranges::find_if(kNames, [&](const auto& pair) { return pair.first == machine; });
  out.architecture = found == kNames.end() ? machine : found->second;
  return out;
}

bool matches(const Platform& want, const Platform& have) {
  if (want.os != have.os || want.architecture != have.architecture) return false;
  if (want.variant.empty()) return true;
  const std::string_view known =
      have.variant.empty() ? default_variant(have.architecture) : std::string_view(have.variant);
  return known.empty() || known == want.variant;
}

bool has_os_feature(const Platform& platform, std::string_view feature) {
  return std::ranges::find(platform.os_features, feature) != platform.os_features.end();
}

}  // namespace ondemand::oci
