// SPDX-License-Identifier: Apache-2.0
#include "matrix.h"

#include <cstdio>
#include <fstream>
#include <optional>
#include <string>

#include "cache_tree.h"
#include "erofs_mount.h"
#include "preparations.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::vmtest {

namespace {

constexpr const char* kOptions = "fsid=image";

std::string data_of(const std::filesystem::path& point) {
  try {
    const bool is_right = util::read_text_file(point / "f", 8192) == std::string(4096, 'x');
    return is_right ? "right" : "WRONG";
  } catch (const util::Error&) {
    return "unreadable";
  }
}

std::string kinds_of(const std::vector<Request>& requests) {
  bool opened = false;
  bool read = false;
  for (const Request& request : requests)
    (request.kind == Request::Kind::kOpen ? opened : read) = true;
  return opened && read ? "OPEN+READ" : opened ? "OPEN" : read ? "READ" : "silent";
}

void try_preparation(Protocol protocol, const std::filesystem::path& directory,
                     const Preparation& preparation) {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory / "mnt");
  const auto bytes = tiny_image();
  std::ofstream(directory / "copy", std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  const CacheTree tree(protocol, directory / "root", kMatrixVolume, kMatrixKey);
  preparation.prepare(tree);
  const std::optional<ino_t> before = inode_of(tree.file());
  std::string outcome;
  {
    Answerer answerer({.protocol = protocol,
                       .root = tree.root(),
                       .copy_of = [&](const std::string&) { return directory / "copy"; }});
    answerer.start(1);
    const int error = mount_erofs(kOptions, directory / "mnt");
    outcome = errno_name(error);
    const std::string data = error == 0 ? data_of(directory / "mnt") : "-";
    if (error == 0) unmount(directory / "mnt");
    outcome += " " + kinds_of(answerer.requests()) + " " + data;
  }  // the device is closed: every object is committed
  std::printf("%s: %s %s\n", preparation.name, outcome.c_str(), traces_of(tree, before).c_str());
}

}  // namespace

void print_matrix(Protocol protocol, const std::filesystem::path& directory) {
  for (const Preparation& preparation : preparations())
    try_preparation(protocol, directory, preparation);
}

}  // namespace ondemand::vmtest
