// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the simulated kernel share: fscache's volumes and cookies, the objects of
// cachefiles behind them, and the one lock of all.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/simulate/traits.h"
#include "util/fd.h"

namespace ondemand::simulate {

using Lock = std::unique_lock<std::mutex>;

class Cache;
struct Volume;

// A cookie in use, and the backing file behind it.
struct Object {
  enum class LookUp { kPending, kReady, kFailed };
  // Of the on-demand mode: has the daemon a descriptor?
  enum class State { kClose, kOpen, kReopening, kDropping };
  using Inode = std::pair<dev_t, ino_t>;

  std::shared_ptr<Volume> volume;
  std::string key;
  std::uint8_t fan = 0;
  std::string name;  // cooked key
  unsigned users = 0;

  LookUp look_up = LookUp::kPending;
  bool is_withdrawn = false;
  std::shared_ptr<util::Fd> file;  // null until the look-up has found or made it
  bool is_temporary = false;       // made by the kernel and not linked yet
  std::uint64_t size = 0;          // object_size of the cookie
  Inode inode{};                   // marked as in use
  bool is_marked = false;

  State state = State::kClose;
  int ondemand_id = 0;  // 0: never had one, -1: its descriptor was closed
};

struct Volume {
  std::shared_ptr<Cache> cache;  // null: there was none when the volume was made
  std::string key;
  std::filesystem::path path;  // I<key>; empty: the cache did not take it
  unsigned mounts = 0;
  std::map<std::string, std::shared_ptr<Object>> objects;
};

// The descriptor that an OPEN message brings.
struct AnonymousFile {
  std::shared_ptr<Object> object;
  std::shared_ptr<Cache> cache;
};

// A reader's life.
struct KillFlag {
  bool is_killed = false;  // under the lock
};

struct Core {
  explicit Core(const Traits& of) : traits(of) {}

  const Traits traits;
  std::mutex mutex;
  std::condition_variable changed;

  bool is_slot_taken = false;    // a control device is open, or descriptors of one are
  std::shared_ptr<Cache> bound;  // takes the volumes that are made now
  std::map<std::string, std::shared_ptr<Volume>> volumes;
  std::set<Object::Inode> in_use;              // S_KERNEL_FILE
  std::multiset<std::filesystem::path> dying;  // backing files that are still being let go
  std::map<int, AnonymousFile> descriptors;
  unsigned free_percent = 50;  // of the cache's file system, blocks and files

  // Runs `work` on a thread of its own, as a kernel worker.  Under the lock.
  void spawn(std::function<void(Lock&)> work) {
    workers.emplace_back([this, work = std::move(work)] {
      Lock lock(mutex);
      work(lock);
    });
  }
  std::vector<std::thread> workers;

  // Waits until `done()`, or until the reader is killed: false.
  template <class Done>
  bool wait(Lock& lock, const KillFlag* kill, Done done) {
    changed.wait(lock, [&] { return done() || (kill != nullptr && kill->is_killed); });
    return done();
  }
};

}  // namespace ondemand::simulate
