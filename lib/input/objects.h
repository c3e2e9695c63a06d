// SPDX-License-Identifier: Apache-2.0
//
// The objects of an image by their path in its archive or layout directory, read in place.
//
// Thread: const members from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tar/archive_index.h"
#include "util/fd.h"
#include "util/stream.h"
#include "util/units.h"

namespace ondemand::input {

// A run of bytes of a shared file.
struct StoredObject {
  std::shared_ptr<const util::Fd> file;
  util::ByteRange range;

  std::unique_ptr<util::ByteSource> open(std::string name) const;
  // Everything.  Throws kTooLarge beyond `limit` bytes, kCorrupt when the file ends early.
  std::string read(std::uint64_t limit, const std::string& name) const;
};

class ObjectSet {
 public:
  virtual ~ObjectSet() = default;
  // nullopt when there is no regular file of that path.
  virtual std::optional<StoredObject> find(std::string_view path) const = 0;
  const std::string& name() const { return name_; }  // for messages

 protected:
  explicit ObjectSet(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
};

// The members of an uncompressed tar file.  Links inside the archive are followed.
class ArchiveObjects : public ObjectSet {
 public:
  // Of several members of one path the last one counts.
  ArchiveObjects(std::shared_ptr<const util::Fd> file,
                 const std::vector<tar::MemberLocation>& members, std::string name);
  std::optional<StoredObject> find(std::string_view path) const override;

 private:
  struct Member {
    util::ByteRange range;
    bool is_link = false;
    std::string target;  // of a link: its normalised path, empty when it leads out of the archive
  };
  std::shared_ptr<const util::Fd> file_;
  std::map<std::string, Member, std::less<>> members_;
};

// A layout directory.  Paths come from digests and fixed names only, never from documents.
class DirectoryObjects : public ObjectSet {
 public:
  explicit DirectoryObjects(std::filesystem::path directory, std::string name)
      : ObjectSet(std::move(name)), directory_(std::move(directory)) {}
  std::optional<StoredObject> find(std::string_view path) const override;

 private:
  std::filesystem::path directory_;
};

}  // namespace ondemand::input
