// SPDX-License-Identifier: Apache-2.0
#include "demandd/image_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::demandd {

ImageWatch::ImageWatch(const std::filesystem::path& directory)
    : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!fd_) throw util::errno_error("inotify", "open", errno);
  // Names are renamed into place when they are complete (doc/ARCHITECTURE.md, invariant 4).
  if (::inotify_add_watch(fd_.get(), directory.c_str(), IN_MOVED_TO | IN_CREATE) < 0)
    throw util::errno_error(util::printable(directory.native()), "watch", errno);
}

void ImageWatch::drain() {
  alignas(inotify_event) std::array<char, 4096> events;
  while (::read(fd_.get(), events.data(), events.size()) > 0) {
  }
}

}  // namespace ondemand::demandd
