// SPDX-License-Identifier: Apache-2.0
//
// One open control device and the cache that it binds: what both modes have in common.
// Source: Documentation/filesystems/caching/cachefiles.rst; doc/KERNEL.md 2.2.
// Every member is called under the core's lock; who waits gives it up.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "cachefiles/device.h"
#include "support/simulate/core.h"
#include "support/simulate/poll_signal.h"

namespace ondemand::simulate {

class Cache : public std::enable_shared_from_this<Cache> {
 public:
  explicit Cache(Core& core) : core_(core) {}
  virtual ~Cache() = default;
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  int command(Lock& lock, std::string_view text);
  virtual cachefiles::Device::Read read(util::MutableBytes buffer) = 0;
  int poll_fd() const { return signal_.fd(); }

  // The open description, each copy of it, and each anonymous descriptor.  The last description
  // ends the service, the last of all unbinds.
  void add_description() { ++descriptions_; }
  void drop_description();
  void add_pin() { ++pins_; }
  void drop_pin();

  // An error of the disk under the cache: it is dead from now on.
  void die();

  bool is_ready() const { return is_ready_; }
  bool is_dead() const { return is_dead_; }
  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path store() const { return root_ / "cache"; }
  Core& core() { return core_; }

  // May the kernel create, replace and bury?
  virtual bool may_alter() const = 0;
  // Asks the daemon for the size of an object, where the mode does so.  0 or an errno.
  virtual int ask_size(Lock& lock, const std::shared_ptr<Object>& object) = 0;
  // Asks the daemon for a range, and waits.  0: look again; EINTR: killed; another errno.
  virtual int ask_data(Lock& lock, const std::shared_ptr<Object>& object, std::uint64_t offset,
                       std::uint64_t len, const KillFlag* kill) = 0;
  // The netfs has let go of the object; on a worker where the daemon must hear of it.
  virtual void let_go(const std::shared_ptr<Object>& object) = 0;

  // ENOBUFS when less than the stop limit would be free; says in POLLOUT whether to cull.
  int check_space();

 protected:
  struct Command {
    std::string name;
    std::string args;
  };
  // A command of the mode alone; -1: no such command.
  virtual int own_command(const Command& command) = 0;
  // "bind" with these arguments: 0 or EINVAL.
  virtual int take_bind_arguments(std::string_view args) = 0;
  // Ends all requests with EIO.
  virtual void flush() = 0;
  virtual bool has_message() const = 0;
  virtual bool wants_mark() const = 0;
  // Does poll() say that the cache is dead?
  virtual bool tells_death() const = 0;
  // In the other modes read() or a write to an object does that.
  virtual bool looks_at_space_after_cull() const { return false; }
  // Wakes everybody and sets what poll() says.
  void notify();

  Core& core_;

 private:
  struct Limits {  // percent
    int run = 7;
    int cull = 5;
    int stop = 1;
    bool is_valid() const { return stop < cull && cull < run && run < 100; }
  };
  int common_command(const Command& command);
  int set_limit(const std::string& name, std::string_view text);
  int bind(std::string_view args);
  int add_cache();
  int get_directory(const std::filesystem::path& path) const;
  int check_mark() const;
  int cull(const std::string& name, bool only_look);
  void unbind();

  PollSignal signal_;
  std::filesystem::path root_;
  std::string tag_;
  Limits blocks_;
  Limits files_;
  bool is_ready_ = false;
  bool is_dead_ = false;
  bool is_culling_ = false;
  unsigned descriptions_ = 0;
  unsigned pins_ = 0;
};

}  // namespace ondemand::simulate
