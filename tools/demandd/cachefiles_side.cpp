// SPDX-License-Identifier: Apache-2.0
//
// Both modes of cachefiles.  They differ in device, mark and command; the device is exclusive, so
// what is open here cannot be open anywhere else.
#include <sys/utsname.h>

#include <cerrno>
#include <filesystem>

#include "cache/cache_lock.h"
#include "cache/cache_mark.h"
#include "cachefiles/abi.h"
#include "cachefiles/commands.h"
#include "cachefiles/kernel_device.h"
#include "demandd/kernel_side.h"
#include "probe/kernel_config.h"
#include "transport/cachefiles_demand_transport.h"
#include "transport/cachefiles_survival.h"
#include "transport/ondemand_transport.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::demandd {

using transport::CachefilesMode;
using util::concat;
using util::Error;
using util::ErrorCode;

namespace {

constexpr std::string_view kTag = "erofs-ondemand";

const char* node_of(CachefilesMode mode) {
  return mode == CachefilesMode::kDemand ? cachefiles::abi::kDemandDevice
                                         : cachefiles::abi::kDevice;
}

// What the kernel says to `bind`.  Source: fs/cachefiles/cache.c, daemon.c (6.1, 6.12) and the
// documentation of the series.
Error bind_error(const cache::CacheRoot& root, CachefilesMode mode, int error) {
  const std::string what =
      concat(node_of(mode), ": bind ", util::printable(root.path().native()), ": ");
  switch (error) {
    case EMEDIUMTYPE:
      return Error(ErrorCode::kUnsupported,
                   what + (mode == CachefilesMode::kDemand
                               ? "the cache is not marked for this device; run 'blobctl prepare "
                                 "--for cachefiles-demand'"
                               : "the cache is marked for cachefiles-demand; use that transport, "
                                 "or another --cache"));
    case EINVAL:
      if (mode == CachefilesMode::kDemand) break;
      return Error(ErrorCode::kUnsupported,
                   what + "this kernel was built without CONFIG_CACHEFILES_ONDEMAND");
    case EOPNOTSUPP:
      return Error(ErrorCode::kUnsupported,
                   what +
                       "the file system cannot carry a cache (no temporary files, extended "
                       "attributes or direct I/O); put the cache root on ext4, xfs or btrfs");
    case EBUSY:
      return Error(ErrorCode::kUnavailable, what + "the directory is in use by another cache");
    default:
      break;
  }
  return util::errno_error(node_of(mode), concat("bind ", util::printable(root.path().native())),
                           error);
}

class CachefilesSide : public KernelSide {
 public:
  CachefilesSide(const KernelSideWorld& world, CachefilesMode mode)
      : root_(world.root),
        log_(world.log),
        is_explicit_(world.is_explicit),
        mode_(mode),
        device_(node_of(mode)),
        survival_(device_, mode) {}

  std::string_view name() const override {
    return mode_ == CachefilesMode::kDemand ? "cachefiles-demand" : "cachefiles";
  }
  void begin() override;
  transport::Survival& survival() override { return survival_; }
  std::unique_ptr<transport::Transport> make_transport(serve::Engine& engine) override;
  void note_dead() override { survival_.note_dead(); }

 private:
  void command(const std::string& text);

  const cache::CacheRoot& root_;
  util::Log& log_;
  const bool is_explicit_;
  const CachefilesMode mode_;
  cachefiles::KernelDevice device_;
  transport::CachefilesSurvival survival_;
};

void CachefilesSide::command(const std::string& text) {
  const int error = device_.command(text);
  if (error != 0) throw util::errno_error(node_of(mode_), concat("write '", text, "'"), error);
}

void CachefilesSide::begin() {
  if (mode_ == CachefilesMode::kDemand) {
    const cache::CacheLock lock(root_.path());
    cache::ensure_mark(root_.cache_directory(),
                       is_explicit_ ? cache::CacheUse::kCachefilesDemand : cache::CacheUse::kAuto);
  }
  command(cachefiles::dir_command(root_.path()));
  command(cachefiles::tag_command(kTag));
  const int error =
      device_.command(mode_ == CachefilesMode::kDemand ? cachefiles::kBindCommand
                                                       : cachefiles::kBindOndemandCommand);
  if (error != 0) throw bind_error(root_, mode_, error);
}

std::unique_ptr<transport::Transport> CachefilesSide::make_transport(serve::Engine& engine) {
  if (mode_ == CachefilesMode::kDemand) {
    return std::make_unique<transport::CachefilesDemandTransport>(device_, root_.cache_directory(),
                                                                  survival_.notes(), engine, log_);
  }
  return std::make_unique<transport::OndemandTransport>(device_, survival_.notes(), engine, log_);
}

// Only bind tells the rest, and that would take the cache into service.  What begin() would put
// right is no reason against it.
std::string check(const KernelSideWorld& world, CachefilesMode mode) {
  const cachefiles::KernelDevice device(node_of(mode));
  const cache::CacheMark mark = cache::read_mark(world.root.cache_directory());
  if (mode == CachefilesMode::kDemand) {
    const auto use =
        world.is_explicit ? cache::CacheUse::kCachefilesDemand : cache::CacheUse::kAuto;
    if (mark != cache::CacheMark::kDemand && !cache::would_mark(world.root.cache_directory(), use))
      throw bind_error(world.root, mode, EMEDIUMTYPE);
    return "ready";
  }
  // Kernels without our series do not know the mark.
  if (mark != cache::CacheMark::kNone && std::filesystem::exists(cachefiles::abi::kDemandDevice))
    throw bind_error(world.root, mode, EMEDIUMTYPE);
  utsname kernel{};
  ::uname(&kernel);
  const char has_mode = probe::read_kernel_config(kernel.release).state("CACHEFILES_ONDEMAND");
  if (has_mode == 'n') throw bind_error(world.root, mode, EINVAL);
  return has_mode == '?' ? "device present; only bind tells" : "ready";
}

}  // namespace

std::unique_ptr<KernelSide> open_cachefiles_demand_side(const KernelSideWorld& world) {
  return std::make_unique<CachefilesSide>(world, CachefilesMode::kDemand);
}

std::unique_ptr<KernelSide> open_cachefiles_side(const KernelSideWorld& world) {
  return std::make_unique<CachefilesSide>(world, CachefilesMode::kOndemand);
}

std::string check_cachefiles_demand(const KernelSideWorld& world) {
  return check(world, CachefilesMode::kDemand);
}

std::string check_cachefiles(const KernelSideWorld& world) {
  return check(world, CachefilesMode::kOndemand);
}

}  // namespace ondemand::demandd
