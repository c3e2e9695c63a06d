// SPDX-License-Identifier: Apache-2.0
#include "behaviour/cachefiles/daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "cache/backing_path.h"
#include "cachefiles/abi.h"
#include "cachefiles/commands.h"
#include "cachefiles/demand_message.h"
#include "cachefiles/ondemand_message.h"
#include "util/align.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::behaviour {

namespace {

namespace abi = cachefiles::abi;

constexpr std::uint64_t kBlock = 4096;

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};

}  // namespace

Daemon::Daemon(Protocol protocol, System& system, cachefiles::Device& device,
               std::filesystem::path root)
    : protocol_(protocol), system_(system), device_(&device), root_(std::move(root)) {}

void Daemon::add(const std::string& volume, const std::string& key, util::Buffer bytes) {
  cookies_[cache::backing_path(volume, key)] = {volume, key, std::move(bytes)};
}

const Daemon::Cookie* Daemon::find(const std::string& volume, const std::string& key) const {
  const auto found = cookies_.find(cache::backing_path(volume, key));
  return found == cookies_.end() ? nullptr : &found->second;
}

bool Daemon::wait_readable(int milliseconds) const {
  pollfd wait{device_->poll_fd(), POLLIN, 0};
  return ::poll(&wait, 1, milliseconds) == 1 && (wait.revents & POLLIN) != 0;
}

std::optional<Request> Daemon::read_message() {
  util::Buffer buffer(abi::kMaxMessageBytes);
  const auto got = device_->read(buffer);
  if (got.error != 0 || got.bytes == 0) return std::nullopt;
  buffer.resize(got.bytes);
  try {
    return protocol_ == Protocol::kDemand ? read_demand(buffer) : read_ondemand(buffer);
  } catch (const util::Error&) {
    ++malformed_;
    return std::nullopt;
  }
}

std::optional<Request> Daemon::read_demand(util::Bytes bytes) {
  const auto message = cachefiles::decode_demand_message(bytes);
  const auto cookie = cookies_.find(message.path);
  if (cookie == cookies_.end() || message.op != abi::kDemandOpRead) {
    ++malformed_;
    device_->command(cachefiles::fail_command(message.id, EIO));
    return std::nullopt;
  }
  Request request{message.id,    cookie->second.volume, cookie->second.key,
                  message.range, message.is_repeated,   message.object_size};
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
  return request;
}

std::optional<Request> Daemon::read_ondemand(util::Bytes bytes) {
  const auto message = cachefiles::decode_ondemand_message(bytes);
  const std::uint32_t object = message.header.object_id;
  std::unique_lock lock(mutex_);
  if (message.header.opcode == abi::kOpOpen) {
    ++opens_;
    std::erase_if(objects_, [&](const auto& old) {  // was closed, or it were not opened again
      return old.second.volume == message.volume_key && old.second.key == message.cookie_key;
    });
    objects_[object] = {message.volume_key, message.cookie_key, message.fd};
    lock.unlock();
    const Cookie* const cookie = find(message.volume_key, message.cookie_key);
    const int error = cookie == nullptr ? ENOENT : open_error_.load();
    device_->command(
        error != 0 ? cachefiles::copen_failure_command(message.header.message_id, error)
                   : cachefiles::copen_command(message.header.message_id, cookie->bytes.size()));
    return std::nullopt;
  }
  const auto found = objects_.find(object);
  if (found == objects_.end()) {
    ++malformed_;
    return std::nullopt;
  }
  if (message.header.opcode == abi::kOpClose) {
    const int fd = found->second.fd;
    objects_.erase(found);
    lock.unlock();
    device_->close_object(fd);
    return std::nullopt;
  }
  Request request{
      message.header.message_id, found->second.volume, found->second.key, message.range, false, 0,
      found->second.fd};
  requests_.push_back(request);
  return request;
}

// Whole blocks; behind the end of the object zeros.  0 or an errno.
int Daemon::write(const Request& request, util::ByteRange range) {
  if (range.len == 0) return 0;
  const util::Buffer& data = find(request.volume, request.key)->bytes;
  const std::size_t len = util::round_up(range.len, kBlock);
  const std::unique_ptr<void, FreeDeleter> memory(std::aligned_alloc(kBlock, len));
  const std::span<std::uint8_t> block(static_cast<std::uint8_t*>(memory.get()), len);
  std::fill(block.begin(), block.end(), std::uint8_t{0});
  const std::uint64_t end = std::min<std::uint64_t>(range.end(), data.size());
  if (range.offset < end)
    std::copy(data.begin() + static_cast<std::ptrdiff_t>(range.offset),
              data.begin() + static_cast<std::ptrdiff_t>(end), block.begin());
  if (protocol_ == Protocol::kOndemand)
    return device_->write_object(request.fd, range.offset, block);
  if (system_.is_full()) return ENOSPC;
  const auto path = root_ / "cache" / cache::backing_path(request.volume, request.key);
  const util::Fd fd(::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
  if (!fd) return errno;
  const ssize_t put =
      ::pwrite(fd.get(), block.data(), block.size(), static_cast<off_t>(range.offset));
  if (put < 0) return errno;
  return static_cast<std::size_t>(put) == block.size() ? 0 : ENOSPC;
}

int Daemon::answer(const Request& request, Answer how) {
  const util::ByteRange range = request.range;
  const std::uint64_t half = util::round_up(range.len / 2, kBlock);
  int error = 0;
  if (how == Answer::kFill) error = write(request, range);
  if (how == Answer::kFillHalf) error = write(request, {range.offset, half});
  if (how == Answer::kFillTail && half < range.len)
    error = write(request, {range.offset + half, range.len - half});
  if (how == Answer::kFail) error = ETIMEDOUT;
  if (protocol_ == Protocol::kOndemand)
    return device_->complete_read(request.fd, static_cast<std::uint32_t>(request.id));
  return device_->command(error != 0 ? cachefiles::fail_command(request.id, error)
                                     : cachefiles::done_command(request.id));
}

void Daemon::serve() {
  while (!is_stopping_) {
    if (!wait_readable(20)) continue;
    if (const auto request = read_message()) {
      const bool is_blob = request->key.starts_with("blob");
      answer(*request, is_blob ? answer_.load() : Answer::kFill);
    }
  }
}

void Daemon::start(int threads) {
  is_stopping_ = false;
  for (int i = 0; i < threads; ++i)
    threads_.emplace_back([this] { serve(); });
}

void Daemon::stop() {
  is_stopping_ = true;
  for (std::thread& thread : threads_)
    thread.join();
  threads_.clear();
}

std::optional<Request> Daemon::take() {
  for (int i = 0; i < 1000; ++i)
    if (wait_readable(10))
      if (auto request = read_message()) return request;
  return std::nullopt;
}

std::optional<Daemon::Open> Daemon::take_open() {
  for (int i = 0; i < 1000; ++i) {
    if (!wait_readable(10)) continue;
    util::Buffer buffer(abi::kMaxMessageBytes);
    const auto got = device_->read(buffer);
    if (got.error != 0 || got.bytes == 0) continue;
    buffer.resize(got.bytes);
    const auto message = cachefiles::decode_ondemand_message(buffer);
    if (message.header.opcode != abi::kOpOpen) return std::nullopt;
    return Open{message.header.message_id, message.header.object_id, message.fd};
  }
  return std::nullopt;
}

void Daemon::adopt(const Open& open, const std::string& volume, const std::string& key) {
  const std::lock_guard lock(mutex_);
  std::erase_if(objects_, [&](const auto& old) {
    return old.second.volume == volume && old.second.key == key;
  });
  objects_[open.object_id] = {volume, key, open.fd};
}

int Daemon::descriptor(const std::string& key) {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, object] : objects_)
    if (object.key == key) return object.fd;
  return -1;
}

int Daemon::close_descriptor(const std::string& key) {
  std::unique_lock lock(mutex_);
  const auto found = std::find_if(objects_.begin(), objects_.end(),
                                  [&](const auto& entry) { return entry.second.key == key; });
  if (found == objects_.end()) return EBADF;
  const int fd = found->second.fd;
  objects_.erase(found);
  lock.unlock();
  return device_->close_object(fd);
}

void Daemon::close_descriptors() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, object] : objects_)
    system_.close_descriptor(object.fd);
  objects_.clear();
}

std::vector<Request> Daemon::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::size_t Daemon::blob_requests() const {
  const auto all = requests();
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const Request& request) {
    return request.key.starts_with("blob");
  }));
}

void Daemon::forget_requests() {
  const std::lock_guard lock(mutex_);
  requests_.clear();
}

}  // namespace ondemand::behaviour
