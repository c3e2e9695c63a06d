// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/kernel.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cache/backing_path.h"
#include "support/simulate/core.h"
#include "support/simulate/demand_cache.h"
#include "support/simulate/lookup.h"
#include "support/simulate/ondemand_cache.h"
#include "support/simulate/read_loop.h"
#include "support/simulate/simulated_device.h"
#include "util/error.h"

namespace ondemand::simulate {

namespace {

// Makes the cookie known and begins its look-up.  Null: its key can have no file.
std::shared_ptr<Object> use_cookie(Lock& lock, Core& core, const std::shared_ptr<Volume>& volume,
                                   const std::string& key) {
  std::shared_ptr<Object>& object = volume->objects[key];
  if (object) {
    ++object->users;
    return object;
  }
  object = std::make_shared<Object>();
  object->volume = volume;
  object->key = key;
  object->users = 1;
  try {
    object->name = cache::cook_key(key);
    object->fan =
        static_cast<std::uint8_t>(cache::hash_cookie(cache::hash_volume(volume->key), key) & 0xff);
  } catch (const util::Error&) {
    object->look_up = Object::LookUp::kFailed;
    return object;
  }
  const std::shared_ptr<Cache> cache = volume->cache;
  if (!cache || volume->path.empty()) {
    object->look_up = Object::LookUp::kFailed;
  } else if (!cache->may_alter()) {
    look_up(lock, *cache, object);
  } else {
    core.spawn([cache, found = object](Lock& worker) { look_up(worker, *cache, found); });
  }
  return object;
}

void release_cookie(Volume& volume, const std::string& key) {
  const auto found = volume.objects.find(key);
  if (found == volume.objects.end() || --found->second->users > 0) return;
  const std::shared_ptr<Object> object = found->second;
  volume.objects.erase(found);
  if (volume.cache && !volume.path.empty() && !object->name.empty()) volume.cache->let_go(object);
}

void release_mount(Core& core, const std::shared_ptr<Volume>& volume,
                   const std::vector<std::string>& cookies) {
  for (const std::string& key : cookies)
    release_cookie(*volume, key);
  if (--volume->mounts == 0) core.volumes.erase(volume->key);
  core.changed.notify_all();
}

}  // namespace

Reader::Reader(SimulatedKernel& kernel)
    : core_(kernel.core_), flag_(std::make_shared<KillFlag>()) {}

void Reader::kill() {
  const Lock lock(core_->mutex);
  flag_->is_killed = true;
  core_->changed.notify_all();
}

SimulatedMount::SimulatedMount(std::shared_ptr<Core> core, std::shared_ptr<Volume> volume,
                               std::vector<std::string> cookies)
    : core_(std::move(core)), volume_(std::move(volume)), cookies_(std::move(cookies)) {}

SimulatedMount::~SimulatedMount() {
  const Lock lock(core_->mutex);
  release_mount(*core_, volume_, cookies_);
}

ReadResult SimulatedMount::read(std::string_view cookie_key, std::uint64_t offset,
                                std::uint64_t len, const Reader* reader) {
  Lock lock(core_->mutex);
  const auto found = volume_->objects.find(std::string(cookie_key));
  if (found == volume_->objects.end()) return {EINVAL, {}};
  const std::shared_ptr<Object> object = found->second;
  return read_object(lock, *core_, object, offset, len, reader ? reader->flag_.get() : nullptr);
}

SimulatedKernel::SimulatedKernel(const Traits& traits) : core_(std::make_shared<Core>(traits)) {}

SimulatedKernel::~SimulatedKernel() {
  for (const int fd : descriptors())
    close_descriptor(fd);
  for (;;) {
    std::vector<std::thread> workers;
    {
      const Lock lock(core_->mutex);
      workers.swap(core_->workers);
    }
    if (workers.empty()) return;
    for (std::thread& worker : workers)
      worker.join();
  }
}

SimulatedKernel::Opened SimulatedKernel::open(Node node) {
  const Lock lock(core_->mutex);
  const Traits& traits = core_->traits;
  if (node != Node::kCachefiles && !traits.has_series) return {ENOENT, nullptr};
  if (node == Node::kCompat && !traits.has_compat_node) return {ENOENT, nullptr};
  if (core_->is_slot_taken) return {EBUSY, nullptr};
  core_->is_slot_taken = true;
  std::shared_ptr<Cache> cache;
  if (node == Node::kCachefiles)
    cache = std::make_shared<OndemandCache>(*core_);
  else
    cache = std::make_shared<DemandCache>(*core_, node == Node::kCompat);
  cache->add_description();
  return {0, std::make_unique<SimulatedDevice>(core_, std::move(cache))};
}

std::unique_ptr<cachefiles::Device> SimulatedKernel::duplicate(const cachefiles::Device& device) {
  const Lock lock(core_->mutex);
  const auto& original = dynamic_cast<const SimulatedDevice&>(device);
  original.cache()->add_description();
  return std::make_unique<SimulatedDevice>(core_, original.cache());
}

SimulatedKernel::Mounted SimulatedKernel::mount(const MountSpec& spec, const Reader* reader) {
  Lock lock(core_->mutex);
  const std::string key = "erofs," + (spec.domain_id.empty() ? spec.fsid : spec.domain_id);
  std::shared_ptr<Volume>& known = core_->volumes[key];
  if (known && spec.domain_id.empty()) return {EBUSY, nullptr};
  if (known && known->objects.contains(spec.fsid)) return {EEXIST, nullptr};
  if (!known) {
    known = std::make_shared<Volume>();
    known->key = key;
    known->cache = core_->bound;
    if (known->cache) acquire_volume(*known->cache, *known);
  }
  const std::shared_ptr<Volume> volume = known;
  ++volume->mounts;
  std::vector<std::string> cookies{spec.fsid};
  const std::shared_ptr<Object> bootstrap = use_cookie(lock, *core_, volume, spec.fsid);
  constexpr std::uint64_t kSuperBlock = 4096;
  const ReadResult super =
      read_object(lock, *core_, bootstrap, 0, kSuperBlock, reader ? reader->flag_.get() : nullptr);
  if (super.error != 0) {
    release_mount(*core_, volume, cookies);
    return {super.error, nullptr};
  }
  for (const std::string& device : spec.devices) {
    cookies.push_back(device);
    use_cookie(lock, *core_, volume, device);
  }
  return {0,
          std::unique_ptr<SimulatedMount>(new SimulatedMount(core_, volume, std::move(cookies)))};
}

int SimulatedKernel::close_descriptor(int fd) {
  const Lock lock(core_->mutex);
  return close_anonymous(*core_, fd);
}

std::vector<int> SimulatedKernel::descriptors() const {
  const Lock lock(core_->mutex);
  std::vector<int> fds;
  for (const auto& [fd, file] : core_->descriptors)
    fds.push_back(fd);
  return fds;
}

void SimulatedKernel::settle() {
  Lock lock(core_->mutex);
  core_->wait(lock, nullptr, [&] { return core_->dying.empty(); });
}

void SimulatedKernel::set_free_percent(unsigned percent) {
  const Lock lock(core_->mutex);
  core_->free_percent = percent;
}

void SimulatedKernel::fail_cache() {
  const Lock lock(core_->mutex);
  if (core_->bound) core_->bound->die();
}

}  // namespace ondemand::simulate
