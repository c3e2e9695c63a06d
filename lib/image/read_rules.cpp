// SPDX-License-Identifier: Apache-2.0
#include "image/read_rules.h"

#include <algorithm>
#include <numeric>

#include "erofs/tree_walk.h"
#include "erofs/xattr_codec.h"
#include "format/erofs_ondisk.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::image {

namespace {

using util::concat;

// Empty: it fits.
std::string why_not(const tar::Xattr& xattr) {
  const auto name = erofs::split_xattr_name(xattr.name);
  if (!name) return "erofs has no place for such a name";
  if (xattr.name.size() > erofs::kXattrNameMax) return "its name is longer than 255 bytes";
  if (xattr.value.size() > ondisk::kErofsXattrValueMax)
    return concat("its value of ", xattr.value.size(), " bytes is over 65535");
  return {};
}

std::size_t size_in_inode(const tar::Xattr& xattr) {
  return erofs::xattr_record_size(erofs::split_xattr_name(xattr.name)->suffix.size(),
                                  xattr.value.size());
}

// Linux: MINORBITS and the 12 bits of a major number that new_encode_dev keeps.
bool is_possible_device(const tar::Entry& entry) {
  return entry.rdev_major <= 0xFFF && entry.rdev_minor <= 0xFFFFF;
}

}  // namespace

void DropList::add(std::string line) {
  ++count;
  if (lines.size() < kMaxListed) lines.push_back(std::move(line));
}

bool drop_what_does_not_fit(tar::Entry& entry,
                            const std::function<void(const std::string&)>& drop) {
  const bool is_device =
      entry.type == tar::EntryType::kCharDevice || entry.type == tar::EntryType::kBlockDevice;
  if (is_device && !is_possible_device(entry)) {
    drop(concat("device number ", entry.rdev_major, ":", entry.rdev_minor,
                ": dropped with the entry: Linux has no such numbers"));
    return false;
  }
  const auto tell = [&drop](const tar::Xattr& xattr, std::string_view reason) {
    drop(concat("xattr ", util::printable(std::string_view(xattr.name).substr(0, 256)),
                ": dropped: ", reason));
  };
  std::erase_if(entry.xattrs, [&](const tar::Xattr& xattr) {
    const std::string reason = why_not(xattr);
    if (!reason.empty()) tell(xattr, reason);
    return !reason.empty();
  });
  std::size_t total = sizeof(ondisk::ErofsXattrIbodyHeader);
  for (const tar::Xattr& xattr : entry.xattrs)
    total += size_in_inode(xattr);
  if (total <= ondisk::kErofsXattrRegionMax) return true;
  // In one go: an entry may have a hundred thousand of them.
  std::vector<std::size_t> by_size(entry.xattrs.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(), [&](std::size_t a, std::size_t b) {
    return size_in_inode(entry.xattrs[a]) > size_in_inode(entry.xattrs[b]);
  });
  for (const std::size_t i : by_size) {
    if (total <= ondisk::kErofsXattrRegionMax) break;
    total -= size_in_inode(entry.xattrs[i]);
    tell(entry.xattrs[i], "one inode has no room for more than 256 KiB");
    entry.xattrs[i].name.clear();  // no xattr has such a name
  }
  std::erase_if(entry.xattrs, [](const tar::Xattr& xattr) { return xattr.name.empty(); });
  return true;
}

}  // namespace ondemand::image
