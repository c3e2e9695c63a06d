// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/simulated_device.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "support/simulate/ondemand_cache.h"
#include "util/error.h"

namespace ondemand::simulate {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kSector = 512;  // what direct I/O takes here

OndemandCache& mode_of(const AnonymousFile& file) {
  return dynamic_cast<OndemandCache&>(*file.cache);
}

}  // namespace

int close_anonymous(Core& core, int fd) {
  const auto found = core.descriptors.find(fd);
  if (found == core.descriptors.end()) return EBADF;
  const AnonymousFile file = found->second;
  core.descriptors.erase(found);
  mode_of(file).close_descriptor(*file.object);
  return 0;
}

SimulatedDevice::~SimulatedDevice() {
  const Lock lock(core_->mutex);
  cache_->drop_description();
}

cachefiles::Device::Read SimulatedDevice::read(util::MutableBytes buffer) {
  const Lock lock(core_->mutex);
  return cache_->read(buffer);
}

int SimulatedDevice::command(std::string_view text) {
  Lock lock(core_->mutex);
  try {
    return cache_->command(lock, text);
  } catch (const util::Error& error) {
    return error.errno_value() != 0 ? error.errno_value() : EIO;
  }
}

int SimulatedDevice::write_object(int fd, std::uint64_t offset, util::Bytes bytes) {
  const Lock lock(core_->mutex);
  const auto found = core_->descriptors.find(fd);
  if (found == core_->descriptors.end()) return EBADF;
  const Traits& traits = core_->traits;
  if (offset % kPage != 0) {
    if (traits.release != Release::k6_1 || traits.has_series) return ENOBUFS;
    offset = offset / kPage * kPage;
  }
  const AnonymousFile& file = found->second;
  const std::shared_ptr<util::Fd> backing = file.object->file;
  if (!backing) return ENOBUFS;
  if (file.cache->check_space() != 0) return ENOBUFS;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kSector != 0 || bytes.size() % kSector != 0)
    return EINVAL;
  const ssize_t written =
      ::pwrite(backing->get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (written < 0) return errno;
  return static_cast<std::size_t>(written) == bytes.size() ? 0 : ENOSPC;
}

int SimulatedDevice::complete_read(int fd, std::uint32_t message_id) {
  const Lock lock(core_->mutex);
  const auto found = core_->descriptors.find(fd);
  if (found == core_->descriptors.end()) return EBADF;
  return mode_of(found->second).complete_read(*found->second.object, message_id);
}

int SimulatedDevice::close_object(int fd) {
  const Lock lock(core_->mutex);
  return close_anonymous(*core_, fd);
}

std::int64_t SimulatedDevice::seek_object(int fd, std::int64_t offset, int whence) {
  const Lock lock(core_->mutex);
  const auto found = core_->descriptors.find(fd);
  if (found == core_->descriptors.end()) return -EBADF;
  const std::shared_ptr<util::Fd> backing = found->second.object->file;
  if (!backing) return -ENOBUFS;
  const off_t at = ::lseek(backing->get(), offset, whence);
  return at < 0 ? -errno : at;
}

}  // namespace ondemand::simulate
