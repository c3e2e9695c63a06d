// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says when a mount over fscache fails is poor: the message of every wrong file is
// ENOBUFS or EIO, and the reason is in the kernel log only.  The texts here say where to look.
#include <fcntl.h>
#include <sys/mount.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "mount/mount.h"
#include "mount/mount_context.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::mount {

namespace {

using util::Error;
using util::ErrorCode;
using util::Fd;

constexpr const char* kNoFscache =
    "this kernel's EROFS does not mount over fscache (CONFIG_EROFS_FS_ONDEMAND, Linux 5.19 to "
    "7.1)";

[[noreturn]] void fail(const FscacheRequest& request, const char* step, int error, int context) {
  const std::string object = util::concat("fsid ", util::printable(request.fsid));
  const auto refusal = [&](ErrorCode code, const std::string& reason) {
    return Error(code, util::concat(object, ": mount: ", with_messages(reason, context)));
  };
  switch (error) {
    case EPERM:
    case EACCES:
      throw refusal(ErrorCode::kIo, "not permitted: mounting needs root (CAP_SYS_ADMIN)");
    case ENODEV:
      throw refusal(ErrorCode::kUnsupported,
                    "this kernel has no EROFS (CONFIG_EROFS_FS; try 'modprobe erofs')");
    case EOPNOTSUPP:
    case ENOTBLK:
      throw refusal(ErrorCode::kUnsupported, kNoFscache);
    case EEXIST:
      // Source: fs/erofs/fscache.c, EROFS_REG_COOKIE_NEED_NOEXIST: one bootstrap cookie a domain.
      throw refusal(ErrorCode::kUnavailable,
                    "this image is mounted already, and over fscache the kernel mounts it only "
                    "once in a domain; use 'mount --bind' of that mount");
    case ENOBUFS:
    case EIO:
      throw refusal(
          ErrorCode::kUnavailable,
          "the cache did not give the bootstrap: no daemon has bound a cache, or the kernel "
          "refused what is prepared in it (see the kernel log)");
    case EBUSY:
      throw refusal(
          ErrorCode::kIo,
          "this image is mounted over a cache that its daemon has left; unmount it first");
    case EUCLEAN:
    case EBADMSG:
      throw refusal(ErrorCode::kCorrupt, "refused by the kernel as corrupt (see the kernel log)");
    case EINVAL:
      // Kernels that do not know these options (domain_id before 6.1, both from 7.2 on).
      if (step == std::string_view("fsid") || step == std::string_view("domain_id"))
        throw refusal(ErrorCode::kUnsupported, kNoFscache);
      throw refusal(ErrorCode::kCorrupt,
                    util::concat("refused by the kernel as invalid (", step, "; ",
                                 request.devices.size(), " devices given; see the kernel log)"));
    default:
      throw util::errno_error(object, util::concat("mount: ", step), error);
  }
}

void set_string(const FscacheRequest& request, int context, const char* key,
                const std::string& value) {
  if (::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0)
    fail(request, key, errno, context);
}

// Before the kernel sees them: a cookie key that is too long stops kernels without our series.
void check_name(const char* what, const std::string& text, std::size_t limit) {
  if (text.find('\0') != std::string::npos || text.empty())
    throw Error(ErrorCode::kUsage,
                util::concat(what, " '", util::printable(text), "': mount: is no name"));
  if (text.size() > limit)
    throw Error(ErrorCode::kTooLarge, util::concat(what, ": mount: has ", text.size(),
                                                   " bytes, at most ", limit, " are possible"));
}

// Nothing is read from there: a long path is no reason against the mount.
const std::string& shown_source(const FscacheRequest& request) {
  return request.source.size() > kMaxParameterBytes ? request.fsid : request.source;
}

void check_names(const FscacheRequest& request) {
  check_name("fsid", request.fsid, kMaxFscacheKeyBytes);
  for (const std::string& device : request.devices)
    check_name("device", device, kMaxFscacheKeyBytes);
  const std::string& volume = request.domain_id.empty() ? request.fsid : request.domain_id;
  check_name("volume", volume, kMaxFscacheDomainBytes);
  if (volume.find('/') != std::string::npos)
    throw Error(ErrorCode::kUsage, util::concat("volume '", util::printable(volume),
                                                "': mount: holds a '/', which no volume can"));
  check_name("source", shown_source(request), kMaxParameterBytes);
}

}  // namespace

void mount_fscache(const FscacheRequest& request) {
  check_names(request);
  check_mountpoint(request.mountpoint);
  const Fd context(::fsopen("erofs", FSOPEN_CLOEXEC));
  if (!context) fail(request, "open a mount context", errno, -1);
  set_string(request, context.get(), "source", shown_source(request));
  set_string(request, context.get(), "fsid", request.fsid);
  // EROFS without the option says so and takes it nevertheless, for a mount of another kind.
  if (kernel_messages(context.get()).find("not supported") != std::string::npos)
    fail(request, "fsid", EOPNOTSUPP, -1);
  if (!request.domain_id.empty())
    set_string(request, context.get(), "domain_id", request.domain_id);
  for (const std::string& device : request.devices)
    set_string(request, context.get(), "device", device);
  if (::fsconfig(context.get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0) != 0)
    fail(request, "set read-only", errno, context.get());
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    fail(request, "create the file system", errno, context.get());
  attach_mount(context.get(), mount_attributes(request.nodev, request.nosuid, request.noexec),
               request.mountpoint);
}

}  // namespace ondemand::mount
