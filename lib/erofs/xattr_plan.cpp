// SPDX-License-Identifier: Apache-2.0
#include "erofs/xattr_plan.h"

#include <functional>

#include "erofs/xattr_codec.h"
#include "format/erofs_ondisk.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using util::Error;
using util::ErrorCode;

void append(util::Buffer& out, util::Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::string object_of(const tar::Xattr& xattr) {
  return util::concat("xattr ", util::printable(std::string_view(xattr.name).substr(0, 256)));
}

void check(const tar::Xattr& xattr) {
  const auto name = split_xattr_name(xattr.name);
  const std::string object = object_of(xattr);
  if (!name || xattr.name.find('\0') != std::string::npos)
    throw Error(ErrorCode::kUnsupported,
                util::concat(object, ": store in erofs: it has no place for such a name"));
  if (xattr.name.size() > kXattrNameMax)
    throw Error(ErrorCode::kTooLarge,
                util::concat(object, ": store in erofs: name is longer than 255 bytes"));
  if (xattr.value.size() > ondisk::kErofsXattrValueMax)
    throw Error(ErrorCode::kTooLarge, util::concat(object, ": store in erofs: value of ",
                                                   xattr.value.size(), " bytes is over 65535"));
}

void append_record(util::Buffer& out, const tar::Xattr& xattr) {
  const XattrName name = *split_xattr_name(xattr.name);
  ondisk::ErofsXattrEntry entry;
  entry.e_name_len = static_cast<std::uint8_t>(name.suffix.size());
  entry.e_name_index = name.index;
  entry.e_value_size = static_cast<std::uint16_t>(xattr.value.size());
  append(out, util::object_bytes(entry));
  append(out, util::as_bytes(name.suffix));
  append(out, util::as_bytes(xattr.value));
  out.resize(util::round_up(out.size(), std::size_t{4}));
}

}  // namespace

std::size_t XattrPlan::KeyHash::operator()(const Key& key) const noexcept {
  const std::hash<std::string_view> hash;
  return hash(key.first) * 31 + hash(key.second);
}

std::uint32_t XattrPlan::Record::size() const {
  return static_cast<std::uint32_t>(
      xattr_record_size(split_xattr_name(xattr->name)->suffix.size(), xattr->value.size()));
}

std::uint32_t XattrPlan::record_of(const tar::Xattr& xattr) {
  const auto next = util::narrow<std::uint32_t>(records_.size());
  const auto inserted = record_ids_.try_emplace(Key(xattr.name, xattr.value), next);
  if (inserted.second) {
    Record record;
    record.xattr = &xattr;
    records_.push_back(record);
  }
  return inserted.first->second;
}

XattrPlan::SetId XattrPlan::add(const tree::XattrSet& set) {
  const auto next = util::narrow<SetId>(sets_.size());
  const auto inserted = set_ids_.try_emplace(&set, next);
  if (inserted.second) {
    Set plan;
    plan.first = members_.size();
    plan.count = set.size();
    for (const tar::Xattr& xattr : set) {
      check(xattr);
      members_.push_back(record_of(xattr));
    }
    sets_.push_back(plan);
  }
  ++sets_[inserted.first->second].uses;
  return inserted.first->second;
}

bool XattrPlan::is_shared_in(const Record& record, std::size_t shared_so_far) const {
  return record.shared_at != kNotShared && shared_so_far < ondisk::kErofsXattrSharedMax;
}

std::optional<XattrPlan::SetId> XattrPlan::finish() {
  for (const Set& set : sets_)
    for (std::size_t i = 0; i < set.count; ++i)
      records_[members_[set.first + i]].uses += set.uses;
  for (Record& record : records_) {
    const std::uint64_t size = record.size();
    // Beside each inode, or once and a 4-byte id beside each inode.
    if (size * record.uses <= size + std::uint64_t{4} * record.uses) continue;
    record.shared_at = util::narrow<std::uint32_t>(shared_size_ / 4);
    shared_size_ += size;
  }
  for (Set& set : sets_) {
    std::uint64_t size = sizeof(ondisk::ErofsXattrIbodyHeader);
    std::size_t nshared = 0;
    for (std::size_t i = 0; i < set.count; ++i) {
      const Record& record = records_[members_[set.first + i]];
      const bool shared = is_shared_in(record, nshared);
      nshared += shared ? 1 : 0;
      size += shared ? 4 : record.size();
    }
    set.region_size = util::narrow<std::uint32_t>(size);
    if (size > ondisk::kErofsXattrRegionMax) return static_cast<SetId>(&set - sets_.data());
  }
  return std::nullopt;
}

Error XattrPlan::too_large(SetId id) const {
  const Set& set = sets_[id];
  return {ErrorCode::kTooLarge,
          util::concat(object_of(*records_[members_[set.first]].xattr),
                       ": store in erofs: with the inode's others ", set.region_size,
                       " bytes, more than the 256 KiB for one inode")};
}

util::Buffer XattrPlan::encode_region(SetId id, std::uint32_t first_id) const {
  const Set& set = sets_[id];
  ondisk::ErofsXattrIbodyHeader header{};
  std::uint32_t filter = 0xFFFFFFFF;
  util::Buffer ids;
  util::Buffer entries;
  std::size_t nshared = 0;
  for (std::size_t i = 0; i < set.count; ++i) {
    const Record& record = records_[members_[set.first + i]];
    filter &= ~xattr_filter_bit(*split_xattr_name(record.xattr->name));
    if (is_shared_in(record, nshared)) {
      append(ids, util::object_bytes(util::Le32(util::checked_add(first_id, record.shared_at))));
      ++nshared;
    } else {
      append_record(entries, *record.xattr);
    }
  }
  header.h_name_filter = filter;
  header.h_shared_count = static_cast<std::uint8_t>(nshared);
  util::Buffer out;
  out.reserve(set.region_size);
  append(out, util::object_bytes(header));
  append(out, ids);
  append(out, entries);
  ASSERT(out.size() == set.region_size);
  return out;
}

util::Buffer XattrPlan::encode_shared() const {
  util::Buffer out;
  out.reserve(static_cast<std::size_t>(shared_size_));
  for (const Record& record : records_)
    if (record.shared_at != kNotShared) append_record(out, *record.xattr);
  ASSERT(out.size() == shared_size_);
  return out;
}

}  // namespace ondemand::erofs
