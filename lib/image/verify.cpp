// SPDX-License-Identifier: Apache-2.0
#include "image/verify.h"

#include <algorithm>
#include <vector>

#include "erofs/tree_compare.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"
#include "view/file_order.h"
#include "view/image_check.h"
#include "view/image_view.h"

namespace ondemand::image {

namespace {

[[noreturn]] void fail(std::string_view reason) {
  throw util::Error(util::ErrorCode::kCorrupt, util::concat("verify what was written: ", reason));
}

// Slow; for messages only.
std::string find_path(const tree::Tree& tree, tree::InodeId directory, tree::InodeId wanted) {
  for (const auto& [name, child] : *tree.inodes[directory].children) {
    if (child == wanted) return "/" + name;
    if (tree.inodes[child].type != tree::FileType::kDirectory) continue;
    const std::string below = find_path(tree, child, wanted);
    if (!below.empty()) return "/" + name + below;
  }
  return {};
}

// A process that maps the file sees the rest of its last block.
bool is_zero_behind(view::ImageView& view, const erofs::FileExtent& extent) {
  const std::uint64_t len = extent.file.len;
  const std::uint64_t padding =
      util::round_up(len, std::uint64_t{view.bootstrap().block_size()}) - len;
  if (padding == 0) return true;
  bool is_zero = true;
  view.read_extent({{extent.file.end(), padding}, extent.kind, extent.device, extent.address + len},
                   [&is_zero](util::Bytes bytes) {
                     is_zero &= std::all_of(bytes.begin(), bytes.end(),
                                            [](std::uint8_t byte) { return byte == 0; });
                   });
  return is_zero;
}

void check_file(view::ImageView& view, const tree::Tree& tree, tree::InodeId id, util::Nid nid,
                const ContentRecord& record) {
  ContentDigest content;
  bool is_padded = true;
  const erofs::InodeInfo inode = view.bootstrap().inode(nid);
  view.bootstrap().for_each_extent(inode, [&](const erofs::FileExtent& extent) {
    if (extent.kind == erofs::ExtentKind::kHole) return;
    std::uint64_t offset = extent.file.offset;
    view.read_extent(extent, [&](util::Bytes bytes) {
      content.add(offset, bytes);
      offset += bytes.size();
    });
    if (extent.kind == erofs::ExtentKind::kBlocks && extent.file.end() == inode.size)
      is_padded &= is_zero_behind(view, extent);
  });
  if (!is_padded)
    fail(util::concat(util::printable(find_path(tree, tree::kRootInode, id)),
                      ": what follows its end in its last block is not zero"));
  const hash::Digest found = content.finish(inode.size);
  if (id < record.size() && record[id] == found) return;
  fail(util::concat(util::printable(find_path(tree, tree::kRootInode, id)),
                    ": its content differs from what was read"));
}

}  // namespace

void verify_image(source::Source& source, const hash::Digest& manifest, const tree::Tree& tree,
                  const ContentRecord& record, const std::filesystem::path& temporary) {
  const std::string reference = manifest.to_string();
  const view::ImageReport report = view::ImageChecker(source, temporary).check(reference);
  if (!report.defects.empty()) fail(report.defects.front());

  view::ImageView view(source, reference, temporary);
  const std::vector<util::Nid> nids = compare_with_tree(view.bootstrap(), tree);
  std::vector<tree::InodeId> files;
  std::vector<util::Nid> file_nids;
  for (tree::InodeId id = 0; id < tree.inodes.size(); ++id) {
    if (tree.inodes[id].nlink == 0 || tree.inodes[id].type != tree::FileType::kRegular) continue;
    files.push_back(id);
    file_nids.push_back(nids[id]);
  }
  std::vector<bool> is_done(files.size());
  for (const std::uint32_t i : view::data_order(view.bootstrap(), file_nids)) {
    check_file(view, tree, files[i], file_nids[i], record);
    is_done[i] = true;
  }
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!is_done[i]) check_file(view, tree, files[i], file_nids[i], record);
}

}  // namespace ondemand::image
