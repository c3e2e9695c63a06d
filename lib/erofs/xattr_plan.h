// SPDX-License-Identifier: Apache-2.0
//
// Which extended attributes are stored once in the shared area and which beside their inode, and
// the bytes of both.  Distinct attributes and sets are numbered by first use, so that the result
// depends on the order of add() alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tree/node.h"
#include "util/bytes.h"
#include "util/error.h"

namespace ondemand::erofs {

// Borrows the attributes of the tree.
class XattrPlan {
 public:
  using SetId = std::uint32_t;

  // One more inode has this set (not empty).  Throws kUnsupported (no such namespace) or
  // kTooLarge naming the attribute; the caller adds the path.
  SetId add(const tree::XattrSet& set);
  // After the last add(): decides what is shared.  Returns the first set that needs more than the
  // format's 256 KiB, if any; then the plan is of no use, and too_large() is the error to throw.
  std::optional<SetId> finish();
  util::Error too_large(SetId set) const;

  bool empty() const { return sets_.empty(); }
  std::uint32_t region_size(SetId set) const { return sets_[set].region_size; }  // Unit: bytes
  std::uint64_t shared_size() const { return shared_size_; }                     // Unit: bytes
  // The region behind an inode.  `first_id`: id of the shared area's first byte (4-byte units
  // from xattr_blkaddr).
  util::Buffer encode_region(SetId set, std::uint32_t first_id) const;
  util::Buffer encode_shared() const;

 private:
  static constexpr std::uint32_t kNotShared = 0xFFFFFFFF;
  struct Record {
    const tar::Xattr* xattr;
    std::uint32_t uses = 0;                // inodes
    std::uint32_t shared_at = kNotShared;  // Unit: 4 bytes, from the area's begin
    std::uint32_t size() const;            // Unit: bytes
  };
  struct Set {
    std::size_t first;  // in members_
    std::size_t count;
    std::uint32_t uses = 0;
    std::uint32_t region_size = 0;
  };
  using Key = std::pair<std::string_view, std::string_view>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };

  std::uint32_t record_of(const tar::Xattr& xattr);
  bool is_shared_in(const Record& record, std::size_t shared_so_far) const;

  std::vector<Record> records_;
  std::unordered_map<Key, std::uint32_t, KeyHash> record_ids_;
  std::vector<std::uint32_t> members_;  // record numbers, set by set
  std::vector<Set> sets_;
  std::unordered_map<const tree::XattrSet*, SetId> set_ids_;
  std::uint64_t shared_size_ = 0;
};

}  // namespace ondemand::erofs
