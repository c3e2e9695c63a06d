// SPDX-License-Identifier: Apache-2.0
#include "tar/archive_index.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "tar/tar_reader.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/stream.h"
#include "util/text.h"

namespace ondemand::tar {

namespace {

// A file read by position, in pieces that suit headers between data that is skipped.
class PositionedFile : public util::ByteSource {
 public:
  PositionedFile(int fd, const std::string& name)
      : fd_(fd), name_(name), size_(util::file_size(fd, name)) {}

  std::size_t read(util::MutableBytes out) override {
    constexpr std::size_t kPiece = 16 * 1024;
    const std::size_t got =
        util::pread_some(fd_, out.first(std::min(out.size(), kPiece)), position_, name_);
    position_ += got;
    return got;
  }

  bool skip(std::uint64_t len) {
    if (position_ > size_ || len > size_ - position_) return false;
    position_ += len;
    return true;
  }

 private:
  int fd_;
  std::string name_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
};

std::vector<MemberLocation> index_entries(TarReader& reader, const std::string& name) {
  std::vector<MemberLocation> members;
  Entry entry;
  while (reader.next(entry)) {
    MemberLocation member;
    member.type = entry.type;
    if (entry.type == EntryType::kRegular) {
      if (!reader.data_offset()) continue;
      member.data = {*reader.data_offset(), entry.size};
    } else if (entry.type != EntryType::kSymlink && entry.type != EntryType::kHardlink) {
      continue;
    }
    if (members.size() == kMaxMembers)
      throw util::Error(util::ErrorCode::kTooLarge,
                        util::concat(name, ": index: more than ", kMaxMembers, " members"));
    std::string_view path = entry.path;
    while (path.starts_with("./"))
      path.remove_prefix(2);
    member.path = path;
    member.link_target = entry.link_target;
    members.push_back(std::move(member));
  }
  return members;
}

}  // namespace

std::vector<MemberLocation> index_archive_file(int fd, const std::string& name) {
  PositionedFile file(fd, name);
  TarReader reader(file, name, [&file](std::uint64_t len) { return file.skip(len); });
  // Names alone matter here; whoever reads the data decides about the rest.
  reader.on_loss([](const TarReader::Loss&) {});
  return index_entries(reader, name);
}

void visit_paths(int fd, const std::string& name,
                 const std::function<bool(const std::string&)>& visit) {
  PositionedFile file(fd, name);
  TarReader reader(file, name, [&file](std::uint64_t len) { return file.skip(len); });
  reader.on_loss([](const TarReader::Loss&) {});
  Entry entry;
  while (reader.next(entry) && visit(entry.path)) {
  }
}

}  // namespace ondemand::tar
