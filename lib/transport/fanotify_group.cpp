// SPDX-License-Identifier: Apache-2.0
#include "transport/fanotify_group.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "transport/fanotify_abi.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::transport {

using util::concat;
using util::Error;
using util::ErrorCode;

namespace {

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? name.release : "?";
}

// Source: Linux include/uapi/linux/magic.h.
std::string file_system_name(int fd) {
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) return "unknown";
  switch (static_cast<std::uint32_t>(status.f_type)) {
    case 0x0000ef53:
      return "ext4";
    case 0x58465342:
      return "xfs";
    case 0x9123683e:
      return "btrfs";
    case 0x01021994:
      return "tmpfs";
    case 0x794c7630:
      return "overlayfs";
    case 0x00006969:
      return "nfs";
    case 0x2fc12fc1:
      return "zfs";
    case 0xf2f52010:
      return "f2fs";
    case 0x65735546:
      return "fuse";
    default:
      return concat("type 0x", util::to_hex(static_cast<std::uint32_t>(status.f_type)));
  }
}

}  // namespace

FanotifyGroup FanotifyGroup::open() {
  // No limits: an event that is dropped would be a read that nobody answers.
  const unsigned flags = FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE |
                         FAN_UNLIMITED_MARKS;
  const int fd = ::fanotify_init(flags, O_RDWR | O_LARGEFILE | O_CLOEXEC);
  if (fd >= 0) return FanotifyGroup(util::Fd(fd));
  if (errno == EPERM) {
    throw Error(ErrorCode::kUnsupported,
                "fanotify: open group: CAP_SYS_ADMIN in the initial user namespace is missing "
                "(run as root)");
  }
  if (errno == ENOSYS || errno == EINVAL) {
    throw Error(ErrorCode::kUnsupported,
                concat("fanotify: open group: kernel ", kernel_release(),
                       " is built without CONFIG_FANOTIFY_ACCESS_PERMISSIONS"));
  }
  throw util::errno_error("fanotify", "open group", errno);
}

void FanotifyGroup::mark(int file, std::string_view name) const {
  if (::fanotify_mark(fd_.get(), FAN_MARK_ADD, abi::kPreAccess, file, nullptr) == 0) return;
  const int error = errno;
  if (error == EINVAL) {
    throw Error(ErrorCode::kUnsupported,
                concat("fanotify: watch: kernel ", kernel_release(),
                       " has no pre-content events (FAN_PRE_ACCESS needs Linux 6.14 or later)"));
  }
  if (error == EOPNOTSUPP || error == ENODEV || error == EXDEV) {
    throw Error(ErrorCode::kUnsupported,
                concat(name, ": watch: file system ", file_system_name(file),
                       " has no pre-content events (ext4, xfs and btrfs have)"));
  }
  throw util::errno_error(name, "watch", error);
}

void FanotifyGroup::unmark(int file) const {
  if (::fanotify_mark(fd_.get(), FAN_MARK_REMOVE, abi::kPreAccess, file, nullptr) != 0 &&
      errno != ENOENT)
    throw util::errno_error("fanotify", "end watch", errno);
}

void FanotifyGroup::unmark_all() const {
  if (::fanotify_mark(fd_.get(), FAN_MARK_FLUSH, 0, AT_FDCWD, nullptr) != 0)
    throw util::errno_error("fanotify", "end all watches", errno);
}

std::size_t FanotifyGroup::read(util::MutableBytes out) const {
  for (;;) {
    const ssize_t got = ::read(fd_.get(), out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN) return 0;
    if (errno != EINTR) throw util::errno_error("fanotify", "read events", errno);
  }
}

bool FanotifyGroup::wait(int timeout_ms) const {
  pollfd poll{fd_.get(), POLLIN, 0};
  return ::poll(&poll, 1, timeout_ms) > 0;
}

bool FanotifyGroup::respond(int event_fd, std::uint32_t response) const {
  const fanotify_response answer{event_fd, response};
  for (;;) {
    const ssize_t done = ::write(fd_.get(), &answer, sizeof answer);
    if (done == sizeof answer) return true;
    if (done < 0 && errno == ENOENT) return false;
    if (done < 0 && errno == EINTR) continue;
    throw util::errno_error("fanotify", "answer", errno);
  }
}

void check_pre_content_support(const FanotifyGroup& group, const std::string& directory) {
  std::string path = directory + "/.probe-XXXXXX";
  const util::Fd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd) throw util::errno_error(util::printable(directory), "create a file", errno);
  ::unlink(path.c_str());
  group.mark(fd.get(), util::printable(directory));
  group.unmark(fd.get());
}

}  // namespace ondemand::transport
