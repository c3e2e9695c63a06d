// SPDX-License-Identifier: Apache-2.0
//
// The demand mode of our series.
// Source: kernel-patches, Documentation/filesystems/caching/cachefiles-demand.rst.
#pragma once

#include <cstdint>
#include <list>
#include <memory>

#include "cachefiles/demand_message.h"
#include "support/simulate/cache.h"

namespace ondemand::simulate {

class DemandCache : public Cache {
 public:
  DemandCache(Core& core, bool is_compat) : Cache(core), is_compat_(is_compat) {}

  cachefiles::Device::Read read(util::MutableBytes buffer) override;
  bool may_alter() const override { return false; }
  int ask_size(Lock&, const std::shared_ptr<Object>&) override { return 0; }
  int ask_data(Lock& lock, const std::shared_ptr<Object>& object, std::uint64_t offset,
               std::uint64_t len, const KillFlag* kill) override;
  void let_go(const std::shared_ptr<Object>& object) override;

 protected:
  int own_command(const Command& command) override;
  int take_bind_arguments(std::string_view args) override;
  void flush() override;
  bool has_message() const override { return !new_.empty(); }
  bool wants_mark() const override { return true; }
  bool tells_death() const override { return true; }
  bool looks_at_space_after_cull() const override { return true; }

 private:
  struct Request {
    cachefiles::DemandMessage message;
    bool is_done = false;
    int error = 0;
  };
  using Requests = std::list<std::shared_ptr<Request>>;

  int answer(std::uint64_t id, int error);
  int done(std::string_view args);
  int fail(std::string_view args);
  int restore(std::string_view args);
  int use_compat(std::string_view args);
  util::Buffer encode(const cachefiles::DemandMessage& message) const;

  bool is_compat_;
  std::uint64_t last_id_ = 0;
  Requests new_;    // for the daemon to read
  Requests taken_;  // read and not answered
};

}  // namespace ondemand::simulate
