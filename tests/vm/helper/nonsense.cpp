// SPDX-License-Identifier: Apache-2.0
#include "nonsense.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>

#include "cachefiles/abi.h"
#include "cachefiles/commands.h"
#include "erofs_mount.h"
#include "hostile.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::vmtest {

namespace abi = cachefiles::abi;

namespace {

constexpr std::size_t kOddLengths[] = {0,   1,    15,   16,   47,   48,   279,
                                       280, 1023, 1024, 4095, 4096, 65536};

const char* node_of(Protocol protocol) {
  return protocol == Protocol::kDemand ? abi::kDemandDevice : abi::kDevice;
}

int error_of(ssize_t result) {
  return result < 0 ? errno : 0;
}

// A page that nothing may touch.
void* forbidden_page() {
  static void* const page = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page;
}

}  // namespace

HostileDevice::HostileDevice(Protocol protocol, const CacheTree& tree, Mutator& mutator,
                             NonsenseCounts& counts)
    : protocol_(protocol),
      mutator_(mutator),
      counts_(counts),
      file_(tree.file()),
      image_(tiny_image()),
      device_(util::open_file(node_of(protocol), O_RDWR)) {}

void HostileDevice::close() {
  objects_.clear();
  device_.reset();
}

int HostileDevice::say(std::string_view command) const {
  return error_of(::write(device_.get(), command.data(), command.size()));
}

void HostileDevice::write_command(Mutator& mutator, NonsenseCounts& counts) const {
  const std::string command = mutator.command();
  ++counts.commands[say(command)];
  // The kernel's own trace of all it does would be the longest part of the test.
  if (command.starts_with("debug")) say("debug 0");
}

void HostileDevice::try_something() {
  switch (mutator_.below(10)) {
    case 0:
      return try_ioctl(device_.get());
    case 1:
      return try_transfer();
    case 2:
      return try_object();
    case 3: {
      const auto node = mutator_.one_in(2) ? abi::kDevice : abi::kDemandDevice;
      if (const util::Fd second{::open(node, O_RDWR | O_CLOEXEC)})
        throw util::Error(util::ErrorCode::kCorrupt, "device: open twice: it was not refused");
      return;
    }
    default:
      return write_command(mutator_, counts_);
  }
}

void HostileDevice::try_ioctl(int fd) {
  const std::uint32_t random = mutator_.below(0xffffffff);
  const unsigned long requests[] = {
      abi::kIocReadComplete,         random,   abi::kIocReadComplete ^ (1UL << mutator_.below(32)),
      0x9800UL | mutator_.below(16), FIONREAD, 0};
  const unsigned long request = requests[mutator_.below(std::size(requests))];
  const unsigned long arguments[] = {mutator_.below(8), random, ~0UL, 1UL << 32,
                                     reinterpret_cast<unsigned long>(forbidden_page())};
  ++counts_.ioctls[error_of(::ioctl(fd, request, arguments[mutator_.below(std::size(arguments))]))];
}

void HostileDevice::try_transfer() {
  std::vector<std::uint8_t> buffer(kOddLengths[std::size(kOddLengths) - 1]);
  const std::size_t length = kOddLengths[mutator_.below(std::size(kOddLengths))];
  ssize_t result = 0;
  switch (mutator_.below(6)) {
    case 0:
      result = ::read(device_.get(), buffer.data(), length);
      if (result > 0) answer({buffer.data(), static_cast<std::size_t>(result)}, false);
      break;
    case 1:
      result = ::read(device_.get(), forbidden_page(), length);
      break;
    case 2:
      result = ::write(device_.get(), forbidden_page(), length);
      break;
    case 3:
      std::generate(buffer.begin(), buffer.end(),
                    [this] { return static_cast<std::uint8_t>(mutator_.below(256)); });
      result = ::write(device_.get(), buffer.data(), length);
      break;
    case 4:
      result = ::lseek(device_.get(), static_cast<off_t>(mutator_.below(1 << 20)) - (1 << 19),
                       static_cast<int>(mutator_.below(6)));
      break;
    default:
      result = ::pwrite(device_.get(), "bind", 4, static_cast<off_t>(length));
      break;
  }
  ++counts_.transfers[error_of(result)];
}

int HostileDevice::some_object() {
  if (objects_.empty()) return -1;
  const auto size = static_cast<std::uint32_t>(objects_.size());
  return std::next(objects_.begin(), mutator_.below(size))->second.get();
}

void HostileDevice::try_object() {
  const int fd = some_object();
  if (fd < 0) return try_transfer();
  const std::size_t length = kOddLengths[mutator_.below(std::size(kOddLengths))];
  const off_t offset = mutator_.one_in(2) ? mutator_.below(4) * 4096 : mutator_.below(0xffffffff);
  std::vector<std::uint8_t> bytes(length, 0);
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t at = static_cast<std::size_t>(offset) + i;
    if (at < image_.size()) bytes[i] = image_[at];
  }
  ssize_t result = 0;
  switch (mutator_.below(6)) {
    case 0:
      return try_ioctl(fd);
    case 1:
      result = ::pwrite(fd, bytes.data(), length, offset);
      break;
    case 2:
      result = ::pwrite(fd, forbidden_page(), 4096, 4096);
      break;
    case 3:
      result = ::pread(fd, bytes.data(), length, offset);
      break;
    case 4:
      result = ::lseek(fd, offset - (1 << 20), static_cast<int>(mutator_.below(6)));
      break;
    default:
      if (mutator_.one_in(4)) objects_.erase(objects_.begin());
      return;
  }
  ++counts_.transfers[error_of(result)];
}

void HostileDevice::bind(const std::filesystem::path& root) {
  is_compat_ = protocol_ == Protocol::kDemand && mutator_.one_in(4) && say("compat") == 0;
  const char* how = protocol_ == Protocol::kDemand ? "bind" : "bind ondemand";
  for (const std::string& command : {util::concat("dir ", root.native()), std::string(how)}) {
    if (const int error = say(command); error != 0)
      throw util::Error(util::ErrorCode::kIo, util::concat(command, ": write: errno ", error));
  }
  is_bound_ = true;
}

void HostileDevice::serve(int milliseconds, bool is_sound) {
  pollfd ready{device_.get(), POLLIN, 0};
  if (::poll(&ready, 1, milliseconds) <= 0 || (ready.revents & POLLIN) == 0) return;
  std::vector<std::uint8_t> buffer(abi::kMaxMessageBytes);
  const ssize_t got = ::read(device_.get(), buffer.data(), buffer.size());
  if (got > 0) answer({buffer.data(), static_cast<std::size_t>(got)}, is_sound);
}

void HostileDevice::answer(util::Bytes message, bool is_sound) {
  if (!is_bound_) return;  // the state of a cache, as text
  ++counts_.messages;
  if (protocol_ == Protocol::kDemand)
    answer_demand(message, is_sound);
  else
    answer_ondemand(message, is_sound);
}

// What belongs into a range of the image.  Nothing for what lies behind its end.
util::Bytes HostileDevice::piece(util::ByteRange range) const {
  if (range.offset >= image_.size()) return {};
  return util::Bytes(image_).subspan(
      range.offset, std::min<std::uint64_t>(range.len, image_.size() - range.offset));
}

void HostileDevice::answer_demand(util::Bytes message, bool is_sound) {
  std::uint64_t id = 0;
  util::ByteRange range;
  if (is_compat_) {
    const cachefiles::CompatMessage decoded = cachefiles::decode_compat_message(message);
    id = decoded.id;
    range = decoded.range;
  } else {
    const cachefiles::DemandMessage decoded = cachefiles::decode_demand_message(message);
    id = decoded.id;
    range = decoded.range;
  }
  if (is_well_meant(is_sound)) {
    // "cull" may have put it away
    const util::Fd file{::open(file_.c_str(), O_WRONLY | O_CLOEXEC)};
    if (file) util::pwrite_full(file.get(), piece(range), range.offset, "backing file");
  }
  if (is_well_meant(is_sound)) say(cachefiles::done_command(id));
}

void HostileDevice::answer_ondemand(util::Bytes bytes, bool is_sound) {
  cachefiles::OndemandMessage message = cachefiles::decode_ondemand_message(bytes);
  const auto& header = message.header;
  if (header.opcode == abi::kOpClose) {
    objects_.erase(header.object_id);
  } else if (header.opcode == abi::kOpOpen) {
    objects_[header.object_id] = util::Fd(message.fd);
    if (is_well_meant(is_sound)) say(cachefiles::copen_command(header.message_id, image_.size()));
  } else if (const auto object = objects_.find(header.object_id); object != objects_.end()) {
    const util::Bytes data = piece(message.range);
    // The kernel writes directly, so the memory has to be aligned.
    alignas(4096) std::array<std::uint8_t, kTinyImageBytes> aligned;
    std::copy(data.begin(), data.end(), aligned.begin());
    const int fd = object->second.get();
    if (is_well_meant(is_sound) && !data.empty()) {
      ++counts_.transfers[error_of(
          ::pwrite(fd, aligned.data(), data.size(), static_cast<off_t>(message.range.offset)))];
    }
    if (is_well_meant(is_sound))
      ++counts_.ioctls[error_of(
          ::ioctl(fd, abi::kIocReadComplete, static_cast<unsigned long>(header.message_id)))];
  }
}

}  // namespace ondemand::vmtest
