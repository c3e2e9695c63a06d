// SPDX-License-Identifier: Apache-2.0
//
// A daemon in small, for tests in the guest: it answers either protocol of CacheFiles from complete
// copies of the backing files.  It trusts the kernel and has no use outside tests.
// Thread: construct, start() and destroy in one thread; requests() from any.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cachefiles/demand_message.h"
#include "cachefiles/kernel_device.h"
#include "cachefiles/ondemand_message.h"
#include "util/fd.h"

namespace ondemand::vmtest {

enum class Protocol { kDemand, kOndemand };

// What the kernel asked.
struct Request {
  enum class Kind { kOpen, kRead };
  Kind kind = Kind::kRead;
  std::string path;    // demand: below <root>/cache; on-demand: the cookie's key
  std::string volume;  // key; of an OPEN
  util::ByteRange range;
};

class Answerer {
 public:
  struct Options {
    Protocol protocol = Protocol::kDemand;
    std::filesystem::path root;
    // The copy for a cookie's key (on-demand) or a backing file's name (demand); an empty path
    // makes the answer a failure.
    std::function<std::filesystem::path(const std::string&)> copy_of;
    bool writes_directly = false;  // demand: O_DIRECT; ranges must then be multiples of 4096
  };

  // Opens the device, binds <root>.  Throws.
  explicit Answerer(Options options);
  Answerer(const Answerer&) = delete;
  Answerer& operator=(const Answerer&) = delete;
  ~Answerer();  // ends the threads, closes the device: the cache is then withdrawn

  void start(int threads);
  std::vector<Request> requests() const;
  std::vector<Request> take_requests();

 private:
  struct Object {
    int fd = -1;                           // anonymous, of the device
    std::shared_ptr<const util::Fd> copy;  // null: there is none
    std::string key;
  };
  struct Prepared {
    util::Fd copy;
    util::Fd file;  // below <root>/cache
  };
  // Both protocols keep their files open, and find them by what the message has, as a real daemon
  // does: what is measured is the kernel, and C++ is slow under emulation.  No descriptors: there
  // is no copy.  Throws when a file cannot be opened.
  const Prepared& prepared(const std::string& path);

  void serve();
  void answer(const cachefiles::DemandMessage& message);
  void answer(const cachefiles::OndemandMessage& message);
  void answer_open(const cachefiles::OndemandMessage& message);
  void answer_read(const cachefiles::OndemandMessage& message);
  int fill(const cachefiles::DemandMessage& message);
  void note(Request request);

  Options options_;
  cachefiles::KernelDevice device_;
  std::atomic<bool> ended_{false};
  std::vector<std::thread> threads_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Request> requests_;
  std::map<std::uint32_t, Object> objects_;             // by object id
  std::unordered_map<std::string, Prepared> prepared_;  // by the message's path
};

}  // namespace ondemand::vmtest
