// SPDX-License-Identifier: Apache-2.0
#include "tree/whiteout.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::tree {

namespace {

constexpr std::string_view kPrefix = ".wh.";
constexpr std::string_view kMetaPrefix = ".wh..wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";
constexpr std::string_view kNested = "overlay.";

// Length of the prefix of overlayfs' own xattrs; 0 for others.
std::size_t overlay_prefix(std::string_view name) {
  for (const std::string_view prefix : {"trusted.overlay.", "user.overlay."})
    if (name.starts_with(prefix)) return prefix.size();
  return 0;
}

}  // namespace

ClassifiedName classify_name(std::string_view name) {
  if (!name.starts_with(kPrefix)) return {NameKind::kPlain, {}};
  if (name == kOpaqueName) return {NameKind::kOpaque, {}};
  if (name.starts_with(kMetaPrefix)) return {NameKind::kIgnored, {}};
  const std::string_view target = name.substr(kPrefix.size());
  if (target.empty() || target == "." || target == "..")
    throw util::Error(util::ErrorCode::kCorrupt,
                      util::concat(util::printable(name), ": read whiteout: names no file"));
  return {NameKind::kWhiteout, target};
}

bool is_oci_marker(std::string_view path) {
  while (path.ends_with('/'))
    path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return path.substr(slash == std::string_view::npos ? 0 : slash + 1).starts_with(kPrefix);
}

OverlayMarks take_overlay_marks(tar::Entry& entry,
                                const std::function<void(const std::string&)>& left_out) {
  OverlayMarks marks;
  marks.whiteout =
      entry.type == tar::EntryType::kCharDevice && entry.rdev_major == 0 && entry.rdev_minor == 0;
  std::vector<tar::Xattr> kept;
  for (tar::Xattr& xattr : entry.xattrs) {
    const std::size_t prefix = overlay_prefix(xattr.name);
    const std::string_view what = std::string_view(xattr.name).substr(prefix);
    if (prefix == 0) {
      kept.push_back(std::move(xattr));
    } else if (what.starts_with(kNested)) {
      xattr.name.erase(prefix, kNested.size());
      kept.push_back(std::move(xattr));
    } else if (what == "redirect" || what == "metacopy") {
      throw util::Error(util::ErrorCode::kUnsupported,
                        util::concat(util::printable(entry.path), ": read overlay marker ", what,
                                     ": the data is in another place"));
    } else if (what == "whiteout" && entry.type == tar::EntryType::kRegular && entry.size == 0) {
      marks.whiteout = true;
    } else if (what == "opaque" && entry.type == tar::EntryType::kDirectory) {
      // "x": the directory holds whiteouts in xattr form but is not opaque.
      marks.opaque |= xattr.value == "y";
    } else {
      left_out(xattr.name);
    }
  }
  std::sort(kept.begin(), kept.end());
  entry.xattrs = std::move(kept);
  return marks;
}

}  // namespace ondemand::tree
