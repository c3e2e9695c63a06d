// SPDX-License-Identifier: Apache-2.0
//
// What guest scripts cannot do with busybox alone.
#include <fcntl.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "answerer.h"
#include "cache_tree.h"
#include "erofs_mount.h"
#include "hostile.h"
#include "keys.h"
#include "matrix.h"
#include "mount_images.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/units.h"

namespace {

using namespace ondemand;
using vmtest::Protocol;

constexpr const char* kUsage =
    "usage: vm_helper keys demand|ondemand DIR PER-KIND VOLUMES\n"
    "       vm_helper matrix demand|ondemand DIR\n"
    "       vm_helper hostile demand|ondemand DIR SEED ROUNDS\n"
    "       vm_helper prepare ROOT VOLUME COPIES\n"
    "           makes ROOT for the demand protocol, with a sparse file for each file of COPIES\n"
    "       vm_helper serve demand|ondemand ROOT COPIES buffered|direct\n"
    "           binds ROOT and answers until SIGTERM; says \"bound\", and at the end the number\n"
    "           of requests; COPIES has complete files under their keys\n"
    "       vm_helper mount SOURCE OPTIONS POINT\n"
    "           mounts EROFS, also from a file: busybox would make a loop device of it\n"
    "       vm_helper mount-images ROOT POINTS COUNT\n"
    "           mounts the prepared images 0, 1, ... COUNT - 1 over fscache at POINTS/NUMBER\n"
    "       vm_helper read DIR\n"
    "           reads every file below DIR; says milliseconds and bytes\n";

Protocol protocol_of(std::string_view word) {
  if (word == "demand") return Protocol::kDemand;
  if (word == "ondemand") return Protocol::kOndemand;
  throw util::Error(util::ErrorCode::kUsage, "protocol: neither demand nor ondemand");
}

int serve(Protocol protocol, const std::filesystem::path& root, const std::filesystem::path& copies,
          bool directly) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, nullptr);
  vmtest::Answerer answerer({.protocol = protocol,
                             .root = root,
                             .copy_of =
                                 [&](const std::string& name) {
                                   // demand: the file's name is 'D' and the key
                                   return copies /
                                          (protocol == Protocol::kDemand ? name.substr(1) : name);
                                 },
                             .writes_directly = directly});
  answerer.start(1);
  std::puts("bound");
  std::fflush(stdout);
  int signal = 0;
  ::sigwait(&term, &signal);
  std::size_t reads = 0;
  for (const auto& request : answerer.requests())
    reads += request.kind == vmtest::Request::Kind::kRead ? 1 : 0;
  std::printf("%zu\n", reads);
  return 0;
}

int prepare(const std::filesystem::path& root, const std::string& volume,
            const std::filesystem::path& copies) {
  for (const auto& copy : std::filesystem::directory_iterator(copies)) {
    const vmtest::CacheTree tree(Protocol::kDemand, root, volume, copy.path().filename());
    tree.make_good_volume();
    tree.make_file(copy.file_size());
    tree.set_good_file_xattr(copy.file_size());
  }
  return 0;
}

int read_tree(const std::filesystem::path& directory) {
  std::vector<std::uint8_t> buffer(128 * util::kKiB);
  std::uint64_t bytes = 0;
  const auto start = std::chrono::steady_clock::now();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.is_symlink()) continue;
    const util::Fd fd = util::open_file(entry.path(), O_RDONLY | O_CLOEXEC);
    while (const std::size_t got = util::read_some(fd.get(), buffer, entry.path().native()))
      bytes += got;
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  std::printf("%lld %llu\n", static_cast<long long>(took.count()),
              static_cast<unsigned long long>(bytes));
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  const std::string_view verb = arguments.empty() ? std::string_view() : arguments[0];
  if (verb == "keys" && arguments.size() == 5) {
    vmtest::check_keys(protocol_of(arguments[1]), arguments[2],
                       {.keys_of_each_kind = std::atoi(arguments[3].c_str()),
                        .volumes = std::atoi(arguments[4].c_str())});
    return 0;
  }
  if (verb == "matrix" && arguments.size() == 3) {
    vmtest::print_matrix(protocol_of(arguments[1]), arguments[2]);
    return 0;
  }
  if (verb == "hostile" && arguments.size() == 5) {
    vmtest::be_hostile(protocol_of(arguments[1]), arguments[2],
                       static_cast<std::uint32_t>(std::strtoul(arguments[3].c_str(), nullptr, 10)),
                       std::atoi(arguments[4].c_str()));
    return 0;
  }
  if (verb == "prepare" && arguments.size() == 4)
    return prepare(arguments[1], arguments[2], arguments[3]);
  if (verb == "serve" && arguments.size() == 5)
    return serve(protocol_of(arguments[1]), arguments[2], arguments[3], arguments[4] == "direct");
  if (verb == "mount" && arguments.size() == 4) {
    const int error = vmtest::mount_erofs(arguments[2], arguments[3], arguments[1]);
    std::fputs(error == 0 ? "" : (vmtest::errno_name(error) + "\n").c_str(), stderr);
    return error == 0 ? 0 : 1;
  }
  if (verb == "mount-images" && arguments.size() == 4) {
    vmtest::mount_images(arguments[1], arguments[2], std::atoi(arguments[3].c_str()));
    return 0;
  }
  if (verb == "read" && arguments.size() == 2) return read_tree(arguments[1]);
  std::fputs(kUsage, stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vm_helper: %s\n", error.what());
    return 1;
  }
}
