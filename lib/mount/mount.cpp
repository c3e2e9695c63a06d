// SPDX-License-Identifier: Apache-2.0
#include "mount/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "mount/mount_context.h"
#include "mount/probe.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::mount {

namespace {

using util::Error;
using util::ErrorCode;
using util::Fd;

[[noreturn]] void fail(ErrorCode code, const std::string& object, const std::string& reason,
                       int context) {
  throw Error(code, util::concat(object, ": mount: ", with_messages(reason, context)));
}

// What the errno of a step means here; other ones speak for themselves.
[[noreturn]] void fail_errno(const MountRequest& request, const char* step, int error,
                             int context) {
  const std::string object = util::printable(request.bootstrap.native());
  switch (error) {
    case EPERM:
    case EACCES:
      fail(ErrorCode::kIo, object, "not permitted: mounting needs root (CAP_SYS_ADMIN)", context);
    case ENODEV:
      fail(ErrorCode::kUnsupported, object,
           "this kernel has no EROFS (CONFIG_EROFS_FS; try 'modprobe erofs')", context);
    case ENOTBLK:
      fail(
          ErrorCode::kUnsupported, object,
          util::concat("the kernel cannot mount this file directly: that needs Linux 6.12 or later "
                       "with CONFIG_EROFS_FS_BACKED_BY_FILE (this is ",
                       kernel_release(),
                       ") and a cache root on ext4, xfs or btrfs, not on tmpfs or overlayfs"),
          context);
    case EBADMSG:
      fail(ErrorCode::kCorrupt, object, "wrong superblock checksum", context);
    case EINVAL:
      fail(ErrorCode::kCorrupt, object,
           util::concat("refused by the kernel as invalid (", step, "; ", request.devices.size(),
                        " devices given; see the kernel log)"),
           context);
    case EUCLEAN:
      fail(ErrorCode::kCorrupt, object, "refused by the kernel as corrupt (see the kernel log)",
           context);
    default: {
      const Error plain = util::errno_error(object, util::concat("mount: ", step), error);
      throw Error(plain.code(), with_messages(plain.message(), context));
    }
  }
}

void check_file(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    throw util::errno_error(util::printable(path.native()), "mount", errno);
  if (!S_ISREG(info.st_mode))
    throw Error(ErrorCode::kUsage,
                util::concat(util::printable(path.native()), ": mount: is not a regular file"));
}

std::string absolute_text(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).lexically_normal().native();
}

void set_string(const MountRequest& request, int context, const char* key,
                const std::string& value) {
  if (::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0)
    fail_errno(request, key, errno, context);
}

}  // namespace

void mount_erofs(const MountRequest& request) {
  check_file(request.bootstrap);
  for (const std::filesystem::path& device : request.devices)
    check_file(device);
  check_mountpoint(request.mountpoint);
  const std::string source = absolute_text(request.bootstrap);
  if (source.size() > kMaxParameterBytes)
    throw Error(ErrorCode::kTooLarge,
                util::concat(util::printable(source), ": mount: the path has ", source.size(),
                             " bytes, the kernel takes ", kMaxParameterBytes));

  const Fd context(::fsopen("erofs", FSOPEN_CLOEXEC));
  if (!context) fail_errno(request, "open a mount context", errno, -1);
  set_string(request, context.get(), "source", source);
  std::vector<Fd> opened;  // until the kernel has opened them itself
  for (const std::filesystem::path& device : request.devices) {
    std::string path = absolute_text(device);
    if (path.size() > kMaxParameterBytes) {
      opened.push_back(util::open_file(path, O_PATH));
      path = util::concat("/proc/self/fd/", opened.back().get());
    }
    set_string(request, context.get(), "device", path);
  }
  if (::fsconfig(context.get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0) != 0)
    fail_errno(request, "set read-only", errno, context.get());
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    fail_errno(request, "create the file system", errno, context.get());
  attach_mount(context.get(), mount_attributes(request.nodev, request.nosuid, request.noexec),
               request.mountpoint);
}

void unmount(const std::filesystem::path& mountpoint, bool lazy) {
  if (::umount2(mountpoint.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0) return;
  const std::string name = util::printable(mountpoint.native());
  switch (errno) {
    case EINVAL:
      throw Error(ErrorCode::kUsage, util::concat(name, ": unmount: nothing is mounted there"));
    case EPERM:
      throw Error(ErrorCode::kIo, util::concat(name, ": unmount: not permitted: needs root"));
    case EBUSY:
      throw Error(ErrorCode::kIo,
                  util::concat(name, ": unmount: is in use (a program runs or stands in it)"));
    default:
      throw util::errno_error(name, "unmount", errno);
  }
}

}  // namespace ondemand::mount
