// SPDX-License-Identifier: Apache-2.0
//
// Layers written as short text and trees printed as such, so that a test reads as a picture.
//
// An entry is "d etc", "f etc/passwd 1" (the number is the uid and tells versions apart),
// "l name target" (hard link), "s name target" (symbolic link), "c name" (device 0:0).
#pragma once

#include <string>
#include <vector>

#include "tree/tree_builder.h"

namespace ondemand::tree {

using Layer = std::vector<std::string>;

tar::Entry parse_entry(const std::string& text);
Tree build(const std::vector<Layer>& layers, WhiteoutStyle style = WhiteoutStyle::kOci);
// What it says when it refuses them; "none" when it does not.
std::string refusal(const std::vector<Layer>& layers, WhiteoutStyle style = WhiteoutStyle::kOci);

// Every path in order, "etc/ 0", "etc/passwd 1", with " =a" for a later name of the inode first
// seen at a, and " -> target" for symbolic links.
std::vector<std::string> show(const Tree& tree);
std::vector<std::string> merged(const std::vector<Layer>& layers,
                                WhiteoutStyle style = WhiteoutStyle::kOci);

const Inode& at(const Tree& tree, const std::string& path);

}  // namespace ondemand::tree
