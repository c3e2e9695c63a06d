// SPDX-License-Identifier: Apache-2.0
//
// A backing file as mainline's on-demand mode lets us at it: through the anonymous descriptor of
// the object, which comes and goes while the file stays.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cachefiles/device.h"
#include "serve/target.h"
#include "transport/failed_writes.h"

namespace ondemand::transport {

// A descriptor that an OPEN message brought.  Closed with the last reference, so its number never
// means another object to somebody who still has this one.
class OpenObject {
 public:
  // Borrows the device; owns the descriptor.
  OpenObject(cachefiles::Device& device, int fd) : device_(device), fd_(fd) {}
  ~OpenObject() { device_.close_object(fd_); }
  OpenObject(const OpenObject&) = delete;
  OpenObject& operator=(const OpenObject&) = delete;

  int fd() const { return fd_; }
  // Grows: the greater one is the newer one.
  std::uint64_t serial() const { return serial_; }

 private:
  static inline std::atomic<std::uint64_t> last_serial_ = 0;

  cachefiles::Device& device_;
  const int fd_;
  const std::uint64_t serial_ = ++last_serial_;
};
using OpenObjectRef = std::shared_ptr<OpenObject>;

class ObjectTarget : public serve::Target {
 public:
  // Borrows the device.  `path`: where the file should have its name, through which what a failed
  // write leaves is removed (failed_writes.h), which the descriptor does not let us; empty: not
  // known.  A file of an object in use may have lost its name, and another one have it.
  ObjectTarget(cachefiles::Device& device, std::string name, std::uint64_t size,
               std::filesystem::path path = {})
      : device_(device), name_(std::move(name)), size_(size), path_(std::move(path)) {}

  const std::string& name() const override { return name_; }
  // While there is no object both throw an error with the errno ENOBUFS, as the kernel does for a
  // descriptor that is too early or too late: it is worth trying again.
  std::vector<util::ByteRange> missing(util::ByteRange range) override;
  void write(std::uint64_t offset, util::Bytes bytes) override;

  // A descriptor of the file, used from now on unless there is a newer one.
  void attach(OpenObjectRef object);
  // Takes it away, if it is still that one.
  void detach(const OpenObjectRef& object);
  std::uint64_t size() const { return size_; }
  bool has_path() const { return !path_.empty(); }
  // Null when there is none.
  OpenObjectRef object() const {
    const std::lock_guard lock(mutex_);
    return object_;
  }

 private:
  using FileId = std::pair<dev_t, ino_t>;

  OpenObjectRef current(std::string_view action) const;
  std::optional<FileId> find_file() const;
  bool punch(util::ByteRange range) const;
  std::uint64_t seek(int fd, std::uint64_t from, int whence, std::uint64_t end) const;

  cachefiles::Device& device_;
  const std::string name_;
  const std::uint64_t size_;
  const std::filesystem::path path_;
  FailedWrites failed_;
  mutable std::mutex mutex_;
  OpenObjectRef object_;
  std::optional<FileId> file_;  // guarded; of the object, where that is known for certain
};

}  // namespace ondemand::transport
