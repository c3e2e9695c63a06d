// SPDX-License-Identifier: Apache-2.0
#include "probe/verdict.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "util/text.h"

namespace ondemand::probe {

namespace {

// Below these the kernel's cachefiles culls, and takes no more.  Source: cachefiles.rst, bcull and
// bstop.
constexpr unsigned kCullPercent = 5;
constexpr unsigned kStopPercent = 1;
constexpr std::uint32_t kPageBytes = 4096;

constexpr const char* kOtherPlace = "put the cache on ext4, xfs or btrfs and name it with --cache";

class Judge {
 public:
  Judge(const KernelFacts& kernel, const FileSystemFacts& files, std::string transport)
      : kernel_(kernel), files_(files) {
    verdict_.transport = std::move(transport);
  }
  Verdict take() { return std::move(verdict_); }

  void demand();
  void cachefiles();
  void fanotify();

 private:
  void problem(std::string what, std::string remedy) {
    verdict_.problems.push_back({std::move(what), std::move(remedy)});
  }
  void note(std::string text) { verdict_.notes.push_back(std::move(text)); }

  void everybody();
  void erofs();
  void over_fscache();
  void device(const DeviceFacts& device, const std::string& how_to_get);
  std::string how_to_load(const char* module) const;

  const KernelFacts& kernel_;
  const FileSystemFacts& files_;
  Verdict verdict_;
};

// ---- what all need

void Judge::everybody() {
  if (!kernel_.is_root) problem("the right CAP_SYS_ADMIN is missing", "run as root");
  if (!files_.error.empty()) {
    problem(files_.error, "make the directory writable, or name another one with --cache");
    return;
  }
  if (files_.is_read_only) problem("the file system of the cache is read-only", kOtherPlace);
  if (!files_.has_user_xattr)
    problem(util::concat("the file system of the cache (", files_.type,
                         ") has no user extended attributes"),
            kOtherPlace);
  if (!files_.has_holes)
    problem(util::concat("the file system of the cache (", files_.type,
                         ") does not tell holes from data (SEEK_HOLE)"),
            kOtherPlace);
  if (!files_.has_punch && files_.has_holes)
    note("holes cannot be punched: a write that fails can leave its file unusable");
  if (files_.blocks_free_percent < kCullPercent || files_.files_free_percent < kCullPercent)
    note(util::concat("the file system of the cache is nearly full: ", files_.blocks_free_percent,
                      " % of its blocks and ", files_.files_free_percent,
                      " % of its files are free"));
}

void Judge::erofs() {
  if (kernel_.erofs == Presence::kAbsent)
    problem("this kernel has no EROFS", "use a kernel with CONFIG_EROFS_FS");
  else if (kernel_.erofs == Presence::kLoadable)
    note("the module erofs is loaded with the first mount");
}

std::string Judge::how_to_load(const char* module) const {
  const bool is_locked = !kernel_.lockdown.empty() && kernel_.lockdown != "none";
  std::string how = util::concat("run 'modprobe ", module, "'");
  if (is_locked || kernel_.secure_boot == Answer::kYes)
    how += "; under Secure Boot or lockdown only a signed module is taken";
  return how;
}

// ---- the ways over fscache

void Judge::device(const DeviceFacts& device, const std::string& how_to_get) {
  if (!device.exists) {
    if (kernel_.cachefiles == Presence::kLoadable)
      problem(
          util::concat(device.node, " is not there: the module cachefiles is not loaded"),
          util::concat(how_to_load("cachefiles"), "; if it then is still missing: ", how_to_get));
    else
      problem(util::concat("this kernel has no ", device.node), how_to_get);
  }
  // One lock for both nodes.  All processes of a demandd hold the device; its lock names one.
  const bool is_ours =
      std::any_of(device.holders.begin(), device.holders.end(),
                  [this](const Holder& holder) { return holder.pid == files_.daemon; });
  for (const DeviceFacts* each : {&kernel_.demand, &kernel_.classic}) {
    for (const Holder& holder : each->holders) {
      if (is_ours && each == &device)
        note(util::concat("in use by demandd, process ", holder.pid));
      else
        problem(util::concat(each->node, " is held by ", holder.command, ", process ", holder.pid),
                "stop it: only one control device of cachefiles can be open");
    }
  }
}

void Judge::over_fscache() {
  everybody();
  erofs();
  if (kernel_.has_fsid == Answer::kNo && kernel_.erofs != Presence::kAbsent)
    problem("EROFS of this kernel does not mount over fscache",
            "use a kernel with CONFIG_EROFS_FS_ONDEMAND (Linux 5.19 to 7.1): 'make kernel', or "
            "'make kernel-modules' for a Debian kernel");
  else if (kernel_.has_fsid == Answer::kUnknown)
    note("whether EROFS mounts over fscache is not known before it is loaded");
  if (!files_.error.empty()) return;
  // They take everything that is tried here, but the kernel's cachefiles does not take them.
  if (files_.type == "tmpfs" || files_.type == "ramfs")
    problem(util::concat("the kernel holds no cache on ", files_.type), kOtherPlace);
  if (!files_.has_tmpfile)
    problem(util::concat("the file system of the cache (", files_.type, ") has no O_TMPFILE"),
            kOtherPlace);
  if (!files_.has_direct_io)
    problem(util::concat("the file system of the cache (", files_.type, ") has no direct I/O"),
            kOtherPlace);
  if (files_.block_size > kPageBytes)
    problem(util::concat("the file system of the cache has blocks of ", files_.block_size,
                         " bytes; pages have ", kPageBytes),
            kOtherPlace);
}

void Judge::demand() {
  device(kernel_.demand,
         "use a kernel with this project's series: 'make kernel', or 'make kernel-modules' for a "
         "Debian kernel (Linux 6.1 or 6.12)");
  over_fscache();
  if (files_.mark == cache::CacheMark::kForeign)
    problem("the cache is marked for a use that is not known here", "use another --cache");
  else if (files_.mark == cache::CacheMark::kNone && files_.has_volumes)
    problem("the cache is not marked for it",
            "run 'blobctl prepare --for cachefiles-demand' with one of its images");
}

void Judge::cachefiles() {
  device(kernel_.classic,
         "use a kernel with CONFIG_CACHEFILES_ONDEMAND (Linux 5.19 to 7.2): 'make kernel', or "
         "'make kernel-modules' for a Debian kernel");
  over_fscache();
  if (files_.blocks_free_percent < kStopPercent || files_.files_free_percent < kStopPercent)
    problem("the file system of the cache is full", "free at least 1 % of blocks and of files");
  switch (kernel_.config.state("CACHEFILES_ONDEMAND")) {
    case 'n':
      if (kernel_.cachefiles != Presence::kAbsent)
        problem("cachefiles of this kernel has no on-demand mode (CONFIG_CACHEFILES_ONDEMAND)",
                "use 'make kernel', or 'make kernel-modules' for a Debian kernel");
      break;
    case '?':
      if (kernel_.classic.exists)
        note(
            "whether cachefiles has the on-demand mode is told by 'bind ondemand' only: this "
            "kernel's configuration is not to be found");
      break;
    default:
      break;
  }
  if (!kernel_.demand.exists && kernel_.has_fsid != Answer::kNo)
    note(
        "over fscache, EROFS of a kernel without this project's series reads zeros for data that "
        "follows a hole; 'blobctl mount' refuses images with such files: convert them with "
        "'mkfs-erofs-ondemand --zero-chunks data', or use fanotify or a kernel with the series");
  if (kernel_.demand.exists && files_.mark != cache::CacheMark::kNone)
    problem("the cache is marked for another way, and this kernel looks at the mark",
            "use another --cache, prepared with 'blobctl prepare --for cachefiles'");
}

// ---- file-backed mounts

void Judge::fanotify() {
  everybody();
  erofs();
  if (kernel_.has_file_backed == Answer::kNo && kernel_.erofs != Presence::kAbsent)
    problem("EROFS of this kernel does not mount files (this is Linux " + kernel_.release + ")",
            "use Linux 6.14 or later with CONFIG_EROFS_FS_BACKED_BY_FILE");
  if (!kernel_.fanotify_error.empty())
    problem(kernel_.fanotify_error,
            "use Linux 6.14 or later with CONFIG_FANOTIFY_ACCESS_PERMISSIONS, as root");
  else if (files_.error.empty() && !files_.pre_content_error.empty())
    problem(files_.pre_content_error, kOtherPlace);
}

}  // namespace

std::vector<Verdict> judge(const KernelFacts& kernel, const FileSystemFacts& files) {
  std::vector<Verdict> verdicts;
  Judge demand(kernel, files, "cachefiles-demand");
  demand.demand();
  verdicts.push_back(demand.take());
  Judge cachefiles(kernel, files, "cachefiles");
  cachefiles.cachefiles();
  verdicts.push_back(cachefiles.take());
  Judge fanotify(kernel, files, "fanotify");
  fanotify.fanotify();
  verdicts.push_back(fanotify.take());
  return verdicts;
}

}  // namespace ondemand::probe
