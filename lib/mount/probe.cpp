// SPDX-License-Identifier: Apache-2.0
#include "mount/probe.h"

#include <sys/utsname.h>

#include <fstream>
#include <sstream>

namespace ondemand::mount {

bool has_erofs() {
  std::ifstream file("/proc/filesystems");
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t tab = line.find('\t');
    if (tab != std::string::npos && line.substr(tab + 1) == "erofs") return true;
  }
  return false;
}

std::string kernel_release() {
  struct utsname names {};
  return ::uname(&names) == 0 ? names.release : "unknown";
}

bool has_file_backed_version() {
  std::istringstream release(kernel_release());
  unsigned major = 0;
  unsigned minor = 0;
  char dot = 0;
  release >> major >> dot >> minor;
  return major > 6 || (major == 6 && minor >= 12);
}

}  // namespace ondemand::mount
