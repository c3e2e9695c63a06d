// SPDX-License-Identifier: Apache-2.0
#include "mount/mount_context.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::mount {

// Lines "e message", "w message", "i message".
std::string kernel_messages(int context) {
  std::string messages;
  std::array<char, 1024> line{};
  for (int i = 0; i < 16; ++i) {  // more than a context keeps
    const ssize_t len = ::read(context, line.data(), line.size());
    if (len <= 0) break;
    std::string_view text(line.data(), static_cast<std::size_t>(len));
    if (text.size() > 2 && text[1] == ' ') text.remove_prefix(2);
    while (!text.empty() && text.back() == '\n')
      text.remove_suffix(1);
    messages += util::concat(messages.empty() ? "" : "; ", util::printable(text));
  }
  return messages;
}

std::string with_messages(std::string reason, int context) {
  const std::string messages = context >= 0 ? kernel_messages(context) : std::string();
  return messages.empty() ? reason : util::concat(reason, " (kernel: ", messages, ")");
}

void check_mountpoint(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    throw util::errno_error(util::concat("mount point ", util::printable(path.native())), "mount",
                            errno);
  if (!S_ISDIR(info.st_mode))
    throw util::Error(util::ErrorCode::kUsage,
                      util::concat("mount point ", util::printable(path.native()),
                                   ": mount: is not a directory"));
}

unsigned mount_attributes(bool nodev, bool nosuid, bool noexec) {
  return MOUNT_ATTR_RDONLY | (nodev ? MOUNT_ATTR_NODEV : 0U) | (nosuid ? MOUNT_ATTR_NOSUID : 0U) |
         (noexec ? MOUNT_ATTR_NOEXEC : 0U);
}

void attach_mount(int context, unsigned attributes, const std::filesystem::path& mountpoint) {
  const util::Fd tree(::fsmount(context, FSMOUNT_CLOEXEC, attributes));
  if (!tree ||
      ::move_mount(tree.get(), "", AT_FDCWD, mountpoint.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    throw util::errno_error(util::concat("mount point ", util::printable(mountpoint.native())),
                            "mount", errno);
}

}  // namespace ondemand::mount
