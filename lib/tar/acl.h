// SPDX-License-Identifier: Apache-2.0
//
// POSIX ACLs: the text that archives carry, as the value of the kernel's xattrs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ondemand::tar {

inline constexpr std::string_view kAclAccessXattr = "system.posix_acl_access";
inline constexpr std::string_view kAclDefaultXattr = "system.posix_acl_default";

// Entries "tag:qualifier:permissions[:id]", separated by commas or newlines, as GNU tar, star and
// libarchive write them.  An empty result means that the ACL says no more than the mode does
// (`is_default` false only).
// Throws kCorrupt for other text, kUnsupported for a name without a number: which number it
// means depends on the machine.
// Source of the value: Linux include/uapi/linux/posix_acl_xattr.h and posix_acl.h.
std::string acl_xattr_from_text(std::string_view text, bool is_default);

// The reverse: with numbers for names, separated by commas.  nullopt for a value that the kernel
// would not take for an ACL; text or not, the value may be kept as it is.
std::optional<std::string> acl_text_from_xattr(std::string_view value);

}  // namespace ondemand::tar
