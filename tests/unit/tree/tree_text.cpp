// SPDX-License-Identifier: Apache-2.0
#include "unit/tree/tree_text.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <stdexcept>

#include "tree/path.h"
#include "util/error.h"

namespace ondemand::tree {

namespace {

void show_directory(const Tree& tree, InodeId id, const std::string& prefix,
                    std::map<InodeId, std::string>& seen, std::vector<std::string>& out) {
  for (const auto& [name, child] : *tree.inodes[id].children) {
    const Inode& inode = tree.inodes[child];
    const std::string path = prefix + name;
    std::string line = path;
    if (inode.type == FileType::kDirectory) line += '/';
    line += ' ' + std::to_string(inode.uid);
    if (inode.type == FileType::kSymlink) line += " -> " + inode.inline_data;
    if (inode.type == FileType::kCharDevice) line += " device";
    const auto [first, is_new] = seen.emplace(child, path);
    if (!is_new) line += " =" + first->second;
    out.push_back(line);
    if (inode.type == FileType::kDirectory) show_directory(tree, child, path + "/", seen, out);
  }
}

}  // namespace

tar::Entry parse_entry(const std::string& text) {
  std::istringstream in(text);
  std::string type;
  tar::Entry entry;
  in >> type >> entry.path;
  entry.permissions = 0640;
  switch (type[0]) {
    case 'd':
      entry.type = tar::EntryType::kDirectory;
      break;
    case 'f':
      entry.type = tar::EntryType::kRegular;
      break;
    case 'l':
      entry.type = tar::EntryType::kHardlink;
      break;
    case 's':
      entry.type = tar::EntryType::kSymlink;
      break;
    case 'c':
      entry.type = tar::EntryType::kCharDevice;
      break;
    default:
      throw std::logic_error("entry: " + text);
  }
  if (type[0] == 'l' || type[0] == 's')
    in >> entry.link_target;
  else
    in >> entry.uid;
  return entry;
}

Tree build(const std::vector<Layer>& layers, WhiteoutStyle style) {
  TreeBuilder builder(style);
  for (const Layer& layer : layers) {
    builder.begin_layer();
    for (const std::string& text : layer)
      builder.add(parse_entry(text));
    builder.end_layer();
  }
  return builder.finish();
}

std::vector<std::string> show(const Tree& tree) {
  std::vector<std::string> out;
  std::map<InodeId, std::string> seen;
  show_directory(tree, kRootInode, "", seen, out);
  return out;
}

std::vector<std::string> merged(const std::vector<Layer>& layers, WhiteoutStyle style) {
  return show(build(layers, style));
}

const Inode& at(const Tree& tree, const std::string& path) {
  InodeId id = kRootInode;
  for (std::string_view rest = path; !rest.empty();)
    id = tree.inodes[id].children->at(std::string(take_component(rest)));
  return tree.inodes[id];
}

std::string refusal(const std::vector<Layer>& layers, WhiteoutStyle style) {
  try {
    build(layers, style);
  } catch (const util::Error& error) {
    EXPECT_NE(error.code(), util::ErrorCode::kInternal);
    return error.message();
  }
  return "none";
}

}  // namespace ondemand::tree
