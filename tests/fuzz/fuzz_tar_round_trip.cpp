// SPDX-License-Identifier: Apache-2.0
//
// Any entry that a tree can hold, written as a tar and read again: names of any bytes, every time,
// number, xattr and pattern of holes must come back.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tar/acl.h"
#include "tar/tar_reader.h"
#include "tar/tar_writer.h"
#include "util/error.h"

using namespace ondemand;

namespace {

constexpr std::uint64_t kMostData = 16 * util::kKiB;

void require(bool condition) {
  if (!condition) __builtin_trap();
}

// Zeros when the bytes are used up.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : left_(data, size) {}
  bool is_empty() const { return left_.empty(); }
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (; bytes > 0; --bytes) {
      value = value << 8 | (left_.empty() ? 0 : left_.front());
      if (!left_.empty()) left_ = left_.subspan(1);
    }
    return value;
  }
  std::string text(std::size_t most) {
    const std::size_t len = std::min({static_cast<std::size_t>(number(2)), most, left_.size()});
    std::string out(util::as_text(left_.first(len)));
    left_ = left_.subspan(len);
    return out;
  }

 private:
  util::Bytes left_;
};

std::string name(Bytes& bytes, std::size_t most) {
  std::string out = bytes.text(most);
  out.erase(std::remove(out.begin(), out.end(), '\0'), out.end());
  return out;
}

// Any value, or one that looks like an ACL: those have a text besides.
// Source: Linux, include/uapi/linux/posix_acl_xattr.h and posix_acl.h.
std::string acl(Bytes& bytes) {
  std::uint64_t entries = bytes.number(1) % 16;
  if (entries == 0) return bytes.text(65535);
  std::string out("\2\0\0\0", 4);
  for (; entries > 0; --entries) {
    const std::uint64_t tag_and_permissions = bytes.number(1);
    const std::uint64_t tag = tag_and_permissions / 8 % 8;
    out += static_cast<char>(1U << tag);
    out += '\0';
    out += static_cast<char>(tag_and_permissions % 8);
    out += '\0';
    const bool has_id = tag == 1 || tag == 3;  // a user, a group
    out += has_id ? static_cast<char>(bytes.number(1)) : '\xff';
    out.append(3, has_id ? '\0' : '\xff');
  }
  return out;
}

tar::Entry entry_from(Bytes& bytes) {
  tar::Entry entry;
  // A tree has sockets too, and a tar has not.
  entry.type = static_cast<tar::EntryType>(bytes.number(1) %
                                           (static_cast<unsigned>(tar::EntryType::kFifo) + 1));
  entry.path = name(bytes, tar::kMaxPathBytes - 2);
  while (!entry.path.empty() && entry.path.back() == '/')
    entry.path.pop_back();
  if (entry.path.empty()) entry.path = "x";
  if (entry.type == tar::EntryType::kDirectory) entry.path += '/';
  entry.permissions = static_cast<std::uint16_t>(bytes.number(2) & 07777);
  entry.uid = static_cast<std::uint32_t>(bytes.number(4));
  entry.gid = static_cast<std::uint32_t>(bytes.number(4));
  entry.mtime.sec = static_cast<std::int64_t>(bytes.number(8));
  entry.mtime.nsec = static_cast<std::uint32_t>(bytes.number(4) % 1'000'000'000);
  if (entry.type == tar::EntryType::kSymlink || entry.type == tar::EntryType::kHardlink)
    entry.link_target = "t" + name(bytes, tar::kMaxPathBytes - 2);
  if (entry.type == tar::EntryType::kCharDevice || entry.type == tar::EntryType::kBlockDevice) {
    entry.rdev_major = static_cast<std::uint32_t>(bytes.number(4));
    entry.rdev_minor = static_cast<std::uint32_t>(bytes.number(4));
  }
  if (entry.type != tar::EntryType::kHardlink) {
    const std::uint64_t which = bytes.number(1);
    for (std::uint64_t n = which % 4; n > 0; --n)
      entry.xattrs.push_back({"user." + name(bytes, 248) + "x", bytes.text(65535)});
    if ((which & 4) != 0) entry.xattrs.push_back({std::string(tar::kAclAccessXattr), acl(bytes)});
    if ((which & 8) != 0) entry.xattrs.push_back({std::string(tar::kAclDefaultXattr), acl(bytes)});
  }
  std::sort(entry.xattrs.begin(), entry.xattrs.end());
  entry.xattrs.erase(
      std::unique(entry.xattrs.begin(), entry.xattrs.end(),
                  [](const tar::Xattr& a, const tar::Xattr& b) { return a.name == b.name; }),
      entry.xattrs.end());
  return entry;
}

// Data by turns with holes; the bytes tell their places.
std::vector<util::ByteRange> pieces_from(Bytes& bytes, std::uint64_t& size) {
  std::vector<util::ByteRange> pieces;
  std::uint64_t data = 0;
  size = 0;
  while (!bytes.is_empty() && pieces.size() < 1000) {
    const std::uint64_t hole = bytes.number(1) << (bytes.number(1) % 40);
    const std::uint64_t len = std::min(bytes.number(2), kMostData - data);
    size += hole;
    if (len > 0) {
      if (hole == 0 && !pieces.empty())
        pieces.back().len += len;
      else
        pieces.push_back({size, len});
    }
    size += len;
    data += len;
  }
  return pieces;
}

std::uint8_t byte_at(std::uint64_t offset) {
  return static_cast<std::uint8_t>(1 + offset % 251);
}

void write_data(tar::TarWriter& writer, const std::vector<util::ByteRange>& pieces) {
  for (const util::ByteRange& piece : pieces) {
    util::Buffer data(static_cast<std::size_t>(piece.len));
    for (std::size_t i = 0; i < data.size(); ++i)
      data[i] = byte_at(piece.offset + i);
    writer.data(data);
  }
}

void check_data(tar::TarReader& reader, const std::vector<util::ByteRange>& pieces) {
  tar::DataBlock block;
  auto piece = pieces.begin();
  std::uint64_t at = piece == pieces.end() ? 0 : piece->offset;
  while (reader.read_block(block)) {
    for (std::size_t i = 0; i < block.bytes.size(); ++i, ++at) {
      require(piece != pieces.end());
      if (at == piece->end()) {
        ++piece;
        require(piece != pieces.end());
        at = piece->offset;
      }
      require(block.offset + i == at && block.bytes[i] == byte_at(at));
    }
  }
  require(piece == pieces.end() || (at == piece->end() && std::next(piece) == pieces.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  tar::Entry entry = entry_from(bytes);
  std::vector<util::ByteRange> pieces;
  if (entry.type == tar::EntryType::kRegular) pieces = pieces_from(bytes, entry.size);
  try {
    util::BufferSink sink;
    tar::TarWriter writer(sink);
    writer.begin(entry, pieces);
    write_data(writer, pieces);
    writer.end();
    writer.finish();

    util::MemorySource source(sink.buffer);
    tar::TarReader reader(source, "fuzz.tar");
    tar::Entry read;
    require(reader.next(read));
    require(read.path == entry.path && read.type == entry.type);
    require(read.permissions == entry.permissions);
    require(read.uid == entry.uid && read.gid == entry.gid);
    require(read.mtime == entry.mtime && read.size == entry.size);
    require(read.link_target == entry.link_target && read.xattrs == entry.xattrs);
    require(read.rdev_major == entry.rdev_major && read.rdev_minor == entry.rdev_minor);
    check_data(reader, pieces);
    require(!reader.next(read) && reader.has_end_mark());
  } catch (const util::Error&) {
    __builtin_trap();
  }
  return 0;
}
