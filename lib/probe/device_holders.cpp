// SPDX-License-Identifier: Apache-2.0
#include "probe/device_holders.h"

#include <sys/stat.h>

#include <system_error>

#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::probe {

namespace {

bool has_open(const std::filesystem::path& process, dev_t device) {
  std::error_code error;
  std::filesystem::directory_iterator entry(process / "fd", error);
  for (const std::filesystem::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    struct stat info {};
    if (::stat(entry->path().c_str(), &info) == 0 && S_ISCHR(info.st_mode) &&
        info.st_rdev == device)
      return true;
  }
  return false;
}

std::string command_of(const std::filesystem::path& process) {
  try {
    std::string name = util::read_text_file(process / "comm", 256);
    while (!name.empty() && name.back() == '\n')
      name.pop_back();
    return util::printable(name);
  } catch (const util::Error&) {
    return "?";  // has ended
  }
}

}  // namespace

std::vector<Holder> device_holders(const std::filesystem::path& node) {
  std::vector<Holder> holders;
  struct stat device {};
  if (::stat(node.c_str(), &device) != 0 || !S_ISCHR(device.st_mode)) return holders;
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc", error);
  for (const std::filesystem::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    const auto pid = util::parse_u64(entry->path().filename().native());
    if (pid && has_open(entry->path(), device.st_rdev))
      holders.push_back({static_cast<pid_t>(*pid), command_of(entry->path())});
  }
  return holders;
}

}  // namespace ondemand::probe
