// SPDX-License-Identifier: Apache-2.0
//
// Names and entries in a layer that mean "remove what the layers below have here".
//
// Source: OCI image specification 1.1, layer.md, "Whiteouts"; Linux
// Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tar/entry.h"

namespace ondemand::tree {

enum class WhiteoutStyle : std::uint8_t {
  kOci,  // ".wh." names; a character device 0:0 is a device like any other
  // Devices 0:0 and trusted.overlay.* xattrs; ".wh." names are names like any other.  Linux 5.8 and
  // later make one inode of many whiteouts, so most of them are hard links in an archive.
  kOverlay,
};

enum class NameKind : std::uint8_t {
  kPlain,
  kWhiteout,  // removes the name behind the prefix
  kOpaque,    // removes all that lower layers have in this directory
  kIgnored,   // book-keeping of AUFS
};

// Directory in the root of a layer by AUFS: its files have no name of their own in the image, but
// hard links of the layer may be to them.
// Source: aufs(5), "Pseudo Link (hardlink over branches)"; moby, pkg/archive, WhiteoutLinkDir.
inline constexpr std::string_view kPseudoLinks = ".wh..wh.plnk";

struct ClassifiedName {
  NameKind kind = NameKind::kPlain;
  std::string_view target;  // kWhiteout: the name that it removes; a part of the argument
};

// For one path component.  Throws kCorrupt for a whiteout of "", "." or "..".
ClassifiedName classify_name(std::string_view name);

// Whether the last component of a path, which need not be normalised, is a marker of kOci.
bool is_oci_marker(std::string_view path);

// How an entry reads under kOverlay.
struct OverlayMarks {
  bool whiteout = false;
  bool opaque = false;
};

// Takes the marks of overlayfs out of an entry, and one level off the names of those of an overlay
// inside of it (trusted.overlay.overlay.X).  `left_out` is called with the name of each xattr that
// only means something to the overlay that wrote it, and goes.  Throws kUnsupported for redirects
// and metacopy, whose data is elsewhere.
// Source: Linux Documentation/filesystems/overlayfs.rst, "Nesting overlayfs mounts" and
// fs/overlayfs/util.c, ovl_path_check_xwhiteout_xattr.
OverlayMarks take_overlay_marks(tar::Entry& entry,
                                const std::function<void(const std::string&)>& left_out);

}  // namespace ondemand::tree
