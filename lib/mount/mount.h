// SPDX-License-Identifier: Apache-2.0
//
// Mounts a bootstrap and its data blobs as one EROFS file system, file-backed or over fscache:
// through fsopen(2) and fsconfig(2), never through a loop device (which raises no pre-content event
// and returns wrong bytes for a file that is not complete) and never through mount(2) (whose
// options end after one page, about 114 devices).  Source: Linux fs/namespace.c,
// fs/erofs/super.c.
// Thread: any.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace ondemand::mount {

// Longest value that fsconfig(2) takes.  Unit: bytes.  Source: Linux fs/fsopen.c.
inline constexpr std::size_t kMaxParameterBytes = 255;
// Longest cookie key that the kernel survives, and longest domain whose volume directory
// ("Ierofs,<domain>") fits a directory entry.  Unit: bytes.  Source: doc/KERNEL.md 2.6.
inline constexpr std::size_t kMaxFscacheKeyBytes = 252;
inline constexpr std::size_t kMaxFscacheDomainBytes = 248;

struct MountRequest {
  std::filesystem::path bootstrap;
  // Data blobs (kernel view), in the order of the device table and exactly as many as it has:
  // given none, the kernel takes a bootstrap with devices for a flattened image and every read of
  // data fails.
  std::vector<std::filesystem::path> devices;
  std::filesystem::path mountpoint;  // an existing directory
  bool nodev = false;
  bool nosuid = false;
  bool noexec = false;
};

// Always read-only.  Throws kNotFound (a file or the mount point is missing), kUnsupported (no
// EROFS in this kernel, no file-backed mounts, a file system that cannot carry them), kUsage (the
// mount point is no directory), kTooLarge (a bootstrap path above kMaxParameterBytes), kIo with
// the errno, the kernel's own messages in the text.
void mount_erofs(const MountRequest& request);

// A mount whose bootstrap and blobs are cookies of fscache: the backing files of a cache that a
// daemon has bound (Linux 5.19 to 7.1 with CONFIG_EROFS_FS_ONDEMAND).  Source: Linux
// Documentation/filesystems/erofs.rst; doc/KERNEL.md 2.6.
struct FscacheRequest {
  std::string fsid;       // cookie key of the bootstrap
  std::string domain_id;  // volume key "erofs,<domain_id>"; empty: "erofs,<fsid>"
  // Cookie keys of the data blobs, in the order of the device table and as many as it has; none:
  // the kernel takes the tags of the table.
  std::vector<std::string> devices;
  // What the mount table shows, the fsid when it is above kMaxParameterBytes; nothing is read
  // there.
  std::string source = "none";
  std::filesystem::path mountpoint;
  bool nodev = false;
  bool nosuid = false;
  bool noexec = false;
};

// Always read-only.  Throws as mount_erofs(), and kUnsupported when this kernel's EROFS knows no
// fsid, kUnavailable when no daemon has bound a cache, the kernel refused what is prepared in it,
// or the image is mounted already in that domain.
void mount_fscache(const FscacheRequest& request);

// Throws kUsage when nothing is mounted there, kIo (EBUSY, EPERM).  `lazy`: detach now, free when
// the last user is gone.
void unmount(const std::filesystem::path& mountpoint, bool lazy = false);

}  // namespace ondemand::mount
