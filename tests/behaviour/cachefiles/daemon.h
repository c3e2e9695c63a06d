// SPDX-License-Identifier: Apache-2.0
//
// The daemon of the tests, for both protocols: has all data, and answers as it is told to.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "behaviour/cachefiles/system.h"
#include "util/units.h"

namespace ondemand::behaviour {

enum class Answer { kFill, kFillHalf, kFillTail, kNothing, kFail };

// A reader waits for a range.
struct Request {
  std::uint64_t id = 0;
  std::string volume;
  std::string key;  // of the cookie
  util::ByteRange range;
  bool is_repeated = false;       // as the message says; demand mode only
  std::uint64_t object_size = 0;  // demand mode only
  int fd = -1;                    // on-demand mode only
};

class Daemon {
 public:
  Daemon(Protocol protocol, System& system, cachefiles::Device& device, std::filesystem::path root);
  ~Daemon() { stop(); }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Bytes of a cookie.  Before start().
  void add(const std::string& volume, const std::string& key, util::Buffer bytes);
  // The answer to OPEN instead of the size: a negative errno.
  void set_open_error(int error) { open_error_ = error; }
  // To requests for anything but a bootstrap (a key that does not begin with "blob").
  void set_answer(Answer answer) { answer_ = answer; }

  // Another descriptor of the same device, while no threads run.
  void use(cachefiles::Device& device) { device_ = &device; }

  void start(int threads);
  void stop();  // leaves what it has not read

  // By hand, without threads: the next request within ten seconds; OPEN and CLOSE on the way are
  // answered.
  std::optional<Request> take();
  // The same for an OPEN, which is left to be answered: its message and descriptor.
  struct Open {
    std::uint32_t message_id = 0;
    std::uint32_t object_id = 0;
    int fd = -1;
  };
  std::optional<Open> take_open();
  // It was answered: it is one of ours from now on.
  void adopt(const Open& open, const std::string& volume, const std::string& key);
  int answer(const Request& request, Answer how);
  // Descriptors of objects, by key.
  int descriptor(const std::string& key);
  // Closes that one, which is no longer ours: the number may soon be another object's.  0 or an
  // errno.
  int close_descriptor(const std::string& key);
  // Closes all of them, as the end of the process would.
  void close_descriptors();

  std::vector<Request> requests() const;
  std::size_t blob_requests() const;
  void forget_requests();
  int opens() const { return opens_; }
  int malformed() const { return malformed_; }

 private:
  bool wait_readable(int milliseconds) const;
  std::optional<Request> read_message();
  std::optional<Request> read_demand(util::Bytes bytes);
  std::optional<Request> read_ondemand(util::Bytes bytes);
  int write(const Request& request, util::ByteRange range);
  void serve();

  const Protocol protocol_;
  System& system_;
  cachefiles::Device* device_;
  const std::filesystem::path root_;
  struct Cookie {
    std::string volume;
    std::string key;
    util::Buffer bytes;
  };
  const Cookie* find(const std::string& volume, const std::string& key) const;

  std::map<std::string, Cookie> cookies_;  // by path below <root>/cache
  std::atomic<Answer> answer_{Answer::kFill};
  std::atomic<int> open_error_{0};
  std::atomic<int> opens_{0};
  std::atomic<int> malformed_{0};
  std::atomic<bool> is_stopping_{false};
  std::vector<std::thread> threads_;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  struct OpenObject {
    std::string volume;
    std::string key;
    int fd = -1;
  };
  std::map<std::uint32_t, OpenObject> objects_;  // by object id
};

}  // namespace ondemand::behaviour
