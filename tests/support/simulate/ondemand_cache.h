// SPDX-License-Identifier: Apache-2.0
//
// /dev/cachefiles: classic after "bind", the on-demand mode of Linux 5.19 to 7.1 after
// "bind ondemand".  Source: doc/KERNEL.md 2.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "cachefiles/ondemand_message.h"
#include "support/simulate/cache.h"

namespace ondemand::simulate {

class OndemandCache : public Cache {
 public:
  explicit OndemandCache(Core& core)
      : Cache(core), next_message_id_(core.traits.first_message_id) {}

  cachefiles::Device::Read read(util::MutableBytes buffer) override;
  bool may_alter() const override { return true; }
  int ask_size(Lock& lock, const std::shared_ptr<Object>& object) override;
  int ask_data(Lock& lock, const std::shared_ptr<Object>& object, std::uint64_t offset,
               std::uint64_t len, const KillFlag* kill) override;
  void let_go(const std::shared_ptr<Object>& object) override;

  // What an anonymous descriptor can do.
  int complete_read(const Object& object, std::uint32_t message_id);
  void close_descriptor(Object& object);

 protected:
  int own_command(const Command& command) override;
  int take_bind_arguments(std::string_view args) override;
  void flush() override;
  bool has_message() const override;
  bool wants_mark() const override { return false; }
  bool tells_death() const override { return false; }

 private:
  struct Request {
    cachefiles::OndemandMessage message;
    std::shared_ptr<Object> object;
    bool is_new = true;  // not read, or to be given again
    bool is_done = false;
    int error = 0;
  };
  using Requests = std::map<std::uint32_t, std::shared_ptr<Request>>;

  int send(Lock& lock, const std::shared_ptr<Object>& object, cachefiles::OndemandMessage message,
           const KillFlag* kill);
  std::uint32_t add(const std::shared_ptr<Request>& request);
  void finish(Requests::iterator request, int error);
  Requests::iterator select(Requests::iterator begin, Requests::iterator end);
  Requests::iterator select();
  void reopen(const std::shared_ptr<Object>& object);
  int install_descriptor(Request& request);
  int copen(std::string_view args);
  int restore();
  void drop_object(Lock& lock, const std::shared_ptr<Object>& object);

  bool is_ondemand_ = false;
  Requests requests_;
  std::uint32_t next_message_id_;
  std::uint32_t next_read_ = 0;  // where the daemon's next read() begins to look
  int next_object_id_ = 1;
  std::set<int> object_ids_;
};

}  // namespace ondemand::simulate
