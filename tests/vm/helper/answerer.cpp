// SPDX-License-Identifier: Apache-2.0
#include "answerer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "cachefiles/abi.h"
#include "cachefiles/commands.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::vmtest {

using util::concat;

namespace {

constexpr std::size_t kPiece = 256 * util::kKiB;
constexpr std::size_t kBlock = 4096;

struct Freer {
  void operator()(std::uint8_t* bytes) const { std::free(bytes); }
};
using AlignedBuffer = std::unique_ptr<std::uint8_t, Freer>;

AlignedBuffer aligned_buffer() {
  return AlignedBuffer(static_cast<std::uint8_t*>(std::aligned_alloc(kBlock, kPiece)));
}

// Reads up to `len` bytes of the copy; what is behind its end is zero.
void read_copy(int fd, std::uint8_t* out, std::size_t len, std::uint64_t offset) {
  const util::MutableBytes whole(out, len);
  const std::size_t got = util::pread_some(fd, whole, offset, "copy");
  std::fill(whole.begin() + static_cast<std::ptrdiff_t>(got), whole.end(), std::uint8_t{0});
}

const char* node_of(Protocol protocol) {
  return protocol == Protocol::kDemand ? cachefiles::abi::kDemandDevice : cachefiles::abi::kDevice;
}

}  // namespace

Answerer::Answerer(Options options)
    : options_(std::move(options)), device_(node_of(options_.protocol)) {
  const std::string_view bind = options_.protocol == Protocol::kDemand
                                    ? cachefiles::kBindCommand
                                    : cachefiles::kBindOndemandCommand;
  for (const std::string& command : {cachefiles::dir_command(options_.root), std::string(bind)}) {
    if (const int error = device_.command(command); error != 0)
      throw util::Error(util::ErrorCode::kIo, concat(command, ": write: errno ", error));
  }
}

Answerer::~Answerer() {
  ended_ = true;
  for (std::thread& thread : threads_)
    thread.join();
  for (const auto& [id, object] : objects_)
    device_.close_object(object.fd);
}

void Answerer::start(int threads) {
  for (int i = 0; i < threads; ++i)
    threads_.emplace_back([this] { serve(); });
}

std::vector<Request> Answerer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::vector<Request> Answerer::take_requests() {
  const std::lock_guard lock(mutex_);
  return std::exchange(requests_, {});
}

void Answerer::note(Request request) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(std::move(request));
}

const Answerer::Prepared& Answerer::prepared(const std::string& path) {
  const std::lock_guard lock(mutex_);
  Prepared& files = prepared_[path];
  if (files.file) return files;
  const std::filesystem::path copy = options_.copy_of(std::filesystem::path(path).filename());
  if (copy.empty()) return files;
  files.copy = util::open_file(copy, O_RDONLY | O_CLOEXEC);
  const int flags = O_WRONLY | O_CLOEXEC | (options_.writes_directly ? O_DIRECT : 0);
  files.file = util::open_file(options_.root / "cache" / path, flags);
  return files;
}

void Answerer::serve() {
  std::vector<std::uint8_t> buffer(cachefiles::abi::kMaxMessageBytes);
  while (!ended_) {
    pollfd ready{device_.poll_fd(), POLLIN, 0};
    if (::poll(&ready, 1, 50) <= 0 || (ready.revents & POLLIN) == 0) continue;
    const auto [bytes, error] = device_.read(buffer);
    if (error != 0 || bytes == 0) continue;
    const util::Bytes message(buffer.data(), bytes);
    if (options_.protocol == Protocol::kDemand)
      answer(cachefiles::decode_demand_message(message));
    else
      answer(cachefiles::decode_ondemand_message(message));
  }
}

// ---- demand

void Answerer::answer(const cachefiles::DemandMessage& message) {
  note({Request::Kind::kRead, message.path, "", message.range});
  const int error = fill(message);
  device_.command(error == 0 ? cachefiles::done_command(message.id)
                             : cachefiles::fail_command(message.id, error));
}

int Answerer::fill(const cachefiles::DemandMessage& message) {
  const Prepared& files = prepared(message.path);
  if (!files.file) return EIO;
  const int from = files.copy.get();
  const int to = files.file.get();
  const AlignedBuffer buffer = aligned_buffer();
  for (std::uint64_t at = message.range.offset; at < message.range.end();) {
    const std::size_t len = std::min<std::uint64_t>(kPiece, message.range.end() - at);
    read_copy(from, buffer.get(), len, at);
    const ssize_t written = ::pwrite(to, buffer.get(), len, static_cast<off_t>(at));
    if (written != static_cast<ssize_t>(len)) return written < 0 ? errno : ENOSPC;
    at += len;
  }
  return 0;
}

// ---- on-demand

void Answerer::answer(const cachefiles::OndemandMessage& message) {
  switch (message.header.opcode) {
    case cachefiles::abi::kOpOpen:
      return answer_open(message);
    case cachefiles::abi::kOpRead:
      return answer_read(message);
    default:
      break;
  }
  // CLOSE: nobody waits.
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(message.header.object_id);
  if (found == objects_.end()) return;
  device_.close_object(found->second.fd);
  objects_.erase(found);
}

void Answerer::answer_open(const cachefiles::OndemandMessage& message) {
  note({Request::Kind::kOpen, message.cookie_key, message.volume_key, {}});
  Object object{message.fd, nullptr, message.cookie_key};
  const std::filesystem::path copy = options_.copy_of(message.cookie_key);
  std::error_code error;
  const std::uint64_t size = copy.empty() ? 0 : std::filesystem::file_size(copy, error);
  const bool is_known = !copy.empty() && !error;
  if (is_known)
    object.copy = std::make_shared<const util::Fd>(util::open_file(copy, O_RDONLY | O_CLOEXEC));
  {
    const std::lock_guard lock(mutex_);
    objects_[message.header.object_id] = std::move(object);
  }
  device_.command(is_known ? cachefiles::copen_command(message.header.message_id, size)
                           : cachefiles::copen_failure_command(message.header.message_id, ENOENT));
}

void Answerer::answer_read(const cachefiles::OndemandMessage& message) {
  Object object;
  {
    const std::lock_guard lock(mutex_);
    object = objects_[message.header.object_id];
  }
  note({Request::Kind::kRead, object.key, "", message.range});
  const int from = object.copy == nullptr ? -1 : object.copy->get();
  const AlignedBuffer buffer = aligned_buffer();
  for (std::uint64_t at = message.range.offset; from >= 0 && at < message.range.end();) {
    const std::size_t len = std::min<std::uint64_t>(kPiece, message.range.end() - at);
    const std::size_t padded = (len + kBlock - 1) / kBlock * kBlock;
    read_copy(from, buffer.get(), padded, at);
    if (device_.write_object(object.fd, at, {buffer.get(), padded}) != 0)
      break;  // the hole stays, and the reader gets EIO
    at += len;
  }
  device_.complete_read(object.fd, message.header.message_id);
}

}  // namespace ondemand::vmtest
