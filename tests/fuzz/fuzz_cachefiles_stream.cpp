// SPDX-License-Identifier: Apache-2.0
//
// A kernel that says anything: a stream of messages into the whole transport, and a device whose
// other answers come from the input as well.
//
// Input: mode, what commands return, what seeks return; then messages, each with a length byte
// before it.  Whatever comes, demandd stays alive, answers each request that can be told apart
// once, and closes each descriptor once.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "cachefiles/abi.h"
#include "cachefiles/demand_message.h"
#include "cachefiles/ondemand_message.h"
#include "hash/sha256.h"
#include "transport/cachefiles_demand_transport.h"
#include "transport/ondemand_transport.h"

using namespace ondemand;

namespace {

constexpr const char* kKey = "Ierofs,ondemand/@b5/Dblob";
constexpr std::uint64_t kSize = 64 * util::kKiB;

void check(bool condition) {
  if (!condition) std::abort();
}

class HostileDevice : public cachefiles::Device {
 public:
  HostileDevice(std::uint8_t commands, std::uint8_t seeks) : commands_(commands), seeks_(seeks) {}

  void send(util::Bytes message) {
    const std::lock_guard lock(mutex_);
    messages_.emplace_back(message.begin(), message.end());
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = ::write(event_.get(), &one, sizeof one);
  }
  void drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return messages_.empty(); });
  }

  int poll_fd() const override { return event_.get(); }
  Read read(util::MutableBytes buffer) override {
    const std::lock_guard lock(mutex_);
    if (messages_.empty()) return {};
    const util::Buffer message = std::move(messages_.front());
    messages_.pop_front();
    std::memcpy(buffer.data(), message.data(), std::min(message.size(), buffer.size()));
    std::uint64_t count = 0;
    if (messages_.empty()) {
      [[maybe_unused]] const ssize_t ignored = ::read(event_.get(), &count, sizeof count);
    }
    changed_.notify_all();
    return {message.size(), 0};
  }
  int command(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    ++answers_[std::string(text.substr(0, text.find(',')))];
    return text == "restore" || commands_ == EIO ? 0 : commands_;
  }
  int write_object(int, std::uint64_t offset, util::Bytes bytes) override {
    check(offset % 4096 == 0 && bytes.size() % 4096 == 0);
    return seeks_ % 2 == 0 ? 0 : ENOSPC;
  }
  int complete_read(int, std::uint32_t) override { return commands_ % 2 == 0 ? 0 : EINVAL; }
  int close_object(int) override {
    const std::lock_guard lock(mutex_);
    ++closed_;
    return 0;
  }
  std::int64_t seek_object(int, std::int64_t offset, int) override {
    switch (seeks_ % 5) {
      case 0:
        return offset + seeks_ * 37;
      case 1:
        return -ENXIO;
      case 2:
        return -ENOBUFS;
      case 3:
        return 0;
      default:
        return (offset / 4096 + 1) * 4096;
    }
  }

  const std::map<std::string, int>& answers() const { return answers_; }
  int closed() const { return closed_; }

 private:
  const int commands_;
  const std::uint8_t seeks_;
  const util::Fd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<util::Buffer> messages_;
  std::map<std::string, int> answers_;
  int closed_ = 0;
};

// A cache with one backing file, whose first half is present.
class Cache {
 public:
  Cache() {
    std::string pattern = "/var/tmp/erofs-ondemand-fuzz-XXXXXX";
    check(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    std::filesystem::create_directories((root_ / kKey).parent_path());
    const util::Fd fd = util::open_file(root_ / kKey, O_RDWR | O_CREAT, 0600);
    check(::ftruncate(fd.get(), static_cast<off_t>(kSize)) == 0);
    util::pwrite_full(fd.get(), util::Buffer(kSize / 2, 1), 0, "backing file");
    blob::ChunkIndex index;
    index.append(kSize, kSize, hash::sha256({}));
    blob_ = serve::make_blob(hash::sha256({}), kSize, std::move(index));
  }
  ~Cache() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  const std::filesystem::path& root() const { return root_; }
  transport::BackingFile file() const { return {root_ / kKey, blob_->digest, blob_}; }

 private:
  std::filesystem::path root_;
  serve::BlobRef blob_;
};

void run(transport::Transport& transport, HostileDevice& device, const Cache& cache,
         const std::deque<util::Bytes>& messages) {
  transport.watch(cache.file());
  transport.start();
  for (const util::Bytes message : messages)
    device.send(message);
  device.drain();
  transport.stop(std::chrono::milliseconds(0));
}

void check_demand(const HostileDevice& device, const std::deque<util::Bytes>& messages) {
  std::map<std::uint64_t, int> asked;
  for (const util::Bytes message : messages)
    if (const auto id = cachefiles::demand_message_id(message)) ++asked[*id];
  for (const auto& [id, times] : asked) {
    int answered = 0;
    for (const char* word : {"done ", "fail "}) {
      const auto found = device.answers().find(word + std::to_string(id));
      if (found != device.answers().end()) answered += found->second;
    }
    check(answered == times);
  }
}

void check_ondemand(const HostileDevice& device, const std::deque<util::Bytes>& messages) {
  std::map<std::uint32_t, int> asked;
  int descriptors = 0;
  for (const util::Bytes message : messages) {
    const auto header = cachefiles::ondemand_header(message);
    if (!header || header->opcode != cachefiles::abi::kOpOpen) continue;
    ++asked[header->message_id];
    // Also of a message that is refused: the kernel has installed it by then.
    const auto fd = cachefiles::ondemand_descriptor(message);
    if (fd && *fd != device.poll_fd()) ++descriptors;
  }
  for (const auto& [id, times] : asked) {
    const auto found = device.answers().find("copen " + std::to_string(id));
    check(found != device.answers().end() && found->second == times);
  }
  check(device.closed() == descriptors);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Cache cache;
  if (size < 3) return 0;
  HostileDevice device(data[1], data[2]);
  std::deque<util::Bytes> messages;
  util::Bytes rest(data + 3, size - 3);
  while (!rest.empty() && messages.size() < 64) {
    const std::size_t len = std::min<std::size_t>(rest[0], rest.size() - 1);
    if (len > 0) messages.push_back(rest.subspan(1, len));
    rest = rest.subspan(1 + len);
  }
  const bool is_demand = data[0] % 2 == 0;
  {
    util::Log log(util::LogLevel::kError, util::Log::null_sink());
    serve::Engine engine({}, {}, log);
    transport::WorkerNotes notes;
    if (is_demand) {
      transport::CachefilesDemandTransport transport(device, cache.root(), notes, engine, log);
      run(transport, device, cache, messages);
    } else {
      transport::OndemandTransport transport(device, notes, engine, log);
      run(transport, device, cache, messages);
    }
  }  // the engine's threads have ended: nobody has a descriptor any more
  if (is_demand)
    check_demand(device, messages);
  else
    check_ondemand(device, messages);
  return 0;
}
