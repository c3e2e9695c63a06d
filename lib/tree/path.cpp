// SPDX-License-Identifier: Apache-2.0
#include "tree/path.h"

#include "util/error.h"
#include "util/text.h"

namespace ondemand::tree {

namespace {

[[noreturn]] void refuse(util::ErrorCode code, std::string_view path, std::string_view reason) {
  throw util::Error(code,
                    util::concat(util::printable(path.substr(0, 256)), ": use path: ", reason));
}

}  // namespace

std::string_view take_component(std::string_view& path) {
  const std::size_t slash = path.find('/');
  const std::string_view component = path.substr(0, slash);
  path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  return component;
}

std::string normalize_path(std::string_view path) {
  if (path.empty()) refuse(util::ErrorCode::kCorrupt, path, "empty");
  std::string out;
  out.reserve(path.size());
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view component = take_component(rest);
    if (component.empty() || component == ".") continue;
    if (component == "..") refuse(util::ErrorCode::kCorrupt, path, "\"..\" in it");
    if (component.size() > kMaxNameBytes)
      throw UnfitPath(util::ErrorCode::kUnsupported,
                      util::concat(util::printable(path.substr(0, 256)),
                                   ": use path: a name is longer than 255 bytes"));
    if (component.find('\0') != std::string_view::npos)
      refuse(util::ErrorCode::kCorrupt, path, "NUL in it");
    if (!out.empty()) out.push_back('/');
    out.append(component);
  }
  return out;
}

}  // namespace ondemand::tree
