// SPDX-License-Identifier: Apache-2.0
#include "input/objects.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "input/form.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::input {

namespace {

// More hops than any writer makes; also what ends a loop.
constexpr int kMaxLinkHops = 8;

class SharedRangeSource : public util::ByteSource {
 public:
  SharedRangeSource(std::shared_ptr<const util::Fd> file, util::ByteRange range, std::string name)
      : file_(std::move(file)), source_(file_->get(), range, std::move(name)) {}
  std::size_t read(util::MutableBytes out) override { return source_.read(out); }

 private:
  std::shared_ptr<const util::Fd> file_;
  util::FdRangeSource source_;
};

// The path that a symbolic link in `directory` means, ".." resolved by text; empty when it leaves
// the archive.
std::string resolve_link(std::string_view link_path, std::string_view target) {
  const std::size_t slash = link_path.rfind('/');
  std::string joined(slash == std::string_view::npos ? "" : link_path.substr(0, slash + 1));
  if (target.starts_with('/')) joined.clear();
  joined.append(target);
  std::string out;
  std::string rest = normal_member_path(joined);
  while (!rest.empty()) {
    const std::size_t end = rest.find('/');
    const std::string part = rest.substr(0, end);
    rest = end == std::string::npos ? std::string() : rest.substr(end + 1);
    if (part == "..") {
      if (out.empty()) return {};
      const std::size_t cut = out.rfind('/');
      out.resize(cut == std::string::npos ? 0 : cut);
    } else {
      if (!out.empty()) out.push_back('/');
      out.append(part);
    }
  }
  return out;
}

}  // namespace

std::unique_ptr<util::ByteSource> StoredObject::open(std::string name) const {
  return std::make_unique<SharedRangeSource>(file, range, std::move(name));
}

std::string StoredObject::read(std::uint64_t limit, const std::string& name) const {
  if (range.len > limit) {
    throw util::Error(util::ErrorCode::kTooLarge,
                      util::concat(name, ": read: ", range.len, " bytes are more than ", limit));
  }
  util::Buffer bytes(static_cast<std::size_t>(range.len));
  util::pread_full(file->get(), bytes, range.offset, name);
  return std::string(util::as_text(bytes));
}

ArchiveObjects::ArchiveObjects(std::shared_ptr<const util::Fd> file,
                               const std::vector<tar::MemberLocation>& members, std::string name)
    : ObjectSet(std::move(name)), file_(std::move(file)) {
  for (const tar::MemberLocation& location : members) {
    const std::string path = normal_member_path(location.path);
    Member member;
    member.range = location.data;
    member.is_link = location.type != tar::EntryType::kRegular;
    if (location.type == tar::EntryType::kSymlink)
      member.target = resolve_link(path, location.link_target);
    if (location.type == tar::EntryType::kHardlink)
      member.target = normal_member_path(location.link_target);
    members_.insert_or_assign(path, std::move(member));
  }
}

std::optional<StoredObject> ArchiveObjects::find(std::string_view path) const {
  std::string wanted = normal_member_path(path);
  for (int hop = 0; hop <= kMaxLinkHops; ++hop) {
    const auto found = members_.find(wanted);
    if (found == members_.end()) return std::nullopt;
    if (!found->second.is_link) return StoredObject{file_, found->second.range};
    wanted = found->second.target;
  }
  return std::nullopt;
}

std::optional<StoredObject> DirectoryObjects::find(std::string_view path) const {
  const std::filesystem::path full = directory_ / path;
  struct stat status {};
  if (::stat(full.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw util::errno_error(util::printable(full.native()), "stat", errno);
  }
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  auto file = std::make_shared<const util::Fd>(util::open_file(full, O_RDONLY));
  const std::uint64_t size = util::file_size(file->get(), util::printable(full.native()));
  return StoredObject{std::move(file), {0, size}};
}

}  // namespace ondemand::input
