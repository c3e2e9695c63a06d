// SPDX-License-Identifier: Apache-2.0
#include "tree/whiteout.h"

#include "util/error.h"
#include "util/text.h"

namespace ondemand::tree {

namespace {

constexpr std::string_view kPrefix = ".wh.";
constexpr std::string_view kMetaPrefix = ".wh..wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";

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

bool is_overlay_xattr(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.");
}

OverlayMarks overlay_marks(const tar::Entry& entry) {
  OverlayMarks marks;
  marks.whiteout =
      entry.type == tar::EntryType::kCharDevice && entry.rdev_major == 0 && entry.rdev_minor == 0;
  for (const tar::Xattr& xattr : entry.xattrs) {
    if (!is_overlay_xattr(xattr.name)) continue;
    const std::string_view what = std::string_view(xattr.name).substr(xattr.name.rfind('.') + 1);
    if (what == "redirect" || what == "metacopy")
      throw util::Error(util::ErrorCode::kUnsupported,
                        util::concat(util::printable(entry.path), ": read overlay marker ", what,
                                     ": the data is in another place"));
    if (what == "whiteout") marks.whiteout = true;
    // "x": the directory holds whiteouts in xattr form but is not opaque.
    if (what == "opaque" && xattr.value == "y" && entry.type == tar::EntryType::kDirectory)
      marks.opaque = true;
  }
  return marks;
}

}  // namespace ondemand::tree
