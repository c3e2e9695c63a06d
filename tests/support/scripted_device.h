// SPDX-License-Identifier: Apache-2.0
//
// A control device of CacheFiles that gives the messages of a script and remembers what it is
// told.  Its objects are descriptors of real files.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cachefiles/device.h"
#include "util/fd.h"

namespace ondemand::test {

class ScriptedDevice : public cachefiles::Device {
 public:
  struct Completion {
    int fd = -1;
    std::uint32_t message_id = 0;
    bool operator==(const Completion&) const = default;
  };

  // The kernel has something to say.
  void send(util::Buffer message) {
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
    ring();
  }
  // Answers to commands; the default is 0.
  void on_command(std::function<int(std::string_view)> answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  // Every read and every command fails with EIO.  `wakes`: poll() tells.
  void die(bool wakes = true) {
    const std::lock_guard lock(mutex_);
    is_dead_ = true;
    if (wakes) ring();
  }
  // Number `index` of all commands so far; waits for it.
  std::string command_at(std::size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return commands_.size() > index; });
    return commands_[index];
  }
  std::size_t commands() const {
    const std::lock_guard lock(mutex_);
    return commands_.size();
  }
  Completion completion_at(std::size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return completions_.size() > index; });
    return completions_[index];
  }
  // Waits until an object was closed.
  void wait_for_close(int fd) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_.count(fd) > 0; });
  }
  bool is_closed(int fd) const {
    const std::lock_guard lock(mutex_);
    return closed_.count(fd) > 0;
  }
  std::size_t misaligned_writes() const {
    const std::lock_guard lock(mutex_);
    return misaligned_;
  }
  // The next writes to objects fail like this, one each.
  void fail_writes(std::deque<int> errors) {
    const std::lock_guard lock(mutex_);
    write_errors_ = std::move(errors);
  }
  // Waits until every message was taken.
  void drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return messages_.empty(); });
  }

  int poll_fd() const override { return event_.get(); }
  Read read(util::MutableBytes buffer) override {
    const std::lock_guard lock(mutex_);
    if (is_dead_) return {0, EIO};
    if (messages_.empty()) return {0, 0};
    if (messages_.front().size() > buffer.size()) return {0, EMSGSIZE};
    const util::Buffer message = std::move(messages_.front());
    messages_.pop_front();
    std::memcpy(buffer.data(), message.data(), message.size());
    std::uint64_t count = 0;
    if (messages_.empty() && ::read(event_.get(), &count, sizeof count) < 0) return {0, errno};
    changed_.notify_all();
    return {message.size(), 0};
  }
  int command(std::string_view text) override {
    std::unique_lock lock(mutex_);
    // It comes when it wants to.
    if (text == "probe") return is_dead_ ? EIO : EOPNOTSUPP;
    commands_.emplace_back(text);
    changed_.notify_all();
    if (is_dead_) return EIO;
    const auto answer = answer_;
    lock.unlock();
    return answer ? answer(text) : 0;
  }
  int write_object(int fd, std::uint64_t offset, util::Bytes bytes) override {
    {
      const std::lock_guard lock(mutex_);
      if (offset % 4096 != 0 || bytes.size() % 4096 != 0 ||
          reinterpret_cast<std::uintptr_t>(bytes.data()) % 4096 != 0)
        ++misaligned_;
      if (!write_errors_.empty()) {
        const int error = write_errors_.front();
        write_errors_.pop_front();
        if (error != 0) return error;
      }
    }
    const ssize_t len = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    return len == static_cast<ssize_t>(bytes.size()) ? 0 : len < 0 ? errno : EIO;
  }
  int complete_read(int fd, std::uint32_t message_id) override {
    const std::lock_guard lock(mutex_);
    completions_.push_back({fd, message_id});
    changed_.notify_all();
    return 0;
  }
  // Only noted: numbers in scripts may be invented.
  int close_object(int fd) override {
    const std::lock_guard lock(mutex_);
    closed_.insert(fd);
    changed_.notify_all();
    return 0;
  }
  std::int64_t seek_object(int fd, std::int64_t offset, int whence) override {
    const off_t at = ::lseek(fd, offset, whence);
    return at < 0 ? -errno : at;
  }

 private:
  void ring() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = ::write(event_.get(), &one, sizeof one);
  }

  const util::Fd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<util::Buffer> messages_;
  std::vector<std::string> commands_;
  std::vector<Completion> completions_;
  std::set<int> closed_;
  std::deque<int> write_errors_;
  std::function<int(std::string_view)> answer_;
  std::size_t misaligned_ = 0;
  bool is_dead_ = false;
};

}  // namespace ondemand::test
