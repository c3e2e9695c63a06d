// SPDX-License-Identifier: Apache-2.0
//
// The daemon's side of an open control device of the simulated kernel.
#pragma once

#include <memory>

#include "cachefiles/device.h"
#include "support/simulate/cache.h"
#include "support/simulate/core.h"

namespace ondemand::simulate {

class SimulatedDevice : public cachefiles::Device {
 public:
  // Has one description of the cache, and drops it in the end.
  SimulatedDevice(std::shared_ptr<Core> core, std::shared_ptr<Cache> cache)
      : core_(std::move(core)), cache_(std::move(cache)) {}
  ~SimulatedDevice() override;

  const std::shared_ptr<Cache>& cache() const { return cache_; }

  int poll_fd() const override { return cache_->poll_fd(); }
  Read read(util::MutableBytes buffer) override;
  int command(std::string_view text) override;
  int write_object(int fd, std::uint64_t offset, util::Bytes bytes) override;
  int complete_read(int fd, std::uint32_t message_id) override;
  int close_object(int fd) override;
  std::int64_t seek_object(int fd, std::int64_t offset, int whence) override;

 private:
  std::shared_ptr<Core> core_;
  std::shared_ptr<Cache> cache_;
};

// Under the lock.  0 or EBADF.
int close_anonymous(Core& core, int fd);

}  // namespace ondemand::simulate
