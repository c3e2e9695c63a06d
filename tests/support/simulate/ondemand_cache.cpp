// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/ondemand_cache.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "cachefiles/abi.h"
#include "support/simulate/kernel_text.h"
#include "support/simulate/lookup.h"

namespace ondemand::simulate {

using cachefiles::OndemandMessage;
namespace abi = cachefiles::abi;

namespace {

constexpr int kClosedId = -1;
constexpr int kFirstDescriptor = 1000;  // far from those of the process

}  // namespace

// ---- messages

bool OndemandCache::has_message() const {
  return std::any_of(requests_.begin(), requests_.end(), [](const auto& entry) {
    const Request& request = *entry.second;
    return request.is_new && !(request.message.header.opcode == abi::kOpRead &&
                               request.object->state == Object::State::kReopening);
  });
}

// Message ids go round, so that an answer that comes late does not hit another request.
std::uint32_t OndemandCache::add(const std::shared_ptr<Request>& request) {
  std::uint32_t id = next_message_id_;
  while (requests_.contains(id))
    ++id;  // goes round by itself
  next_message_id_ = id + 1;
  request->message.header.message_id = id;
  requests_.emplace(id, request);
  notify();
  return id;
}

void OndemandCache::finish(Requests::iterator request, int error) {
  request->second->is_done = true;
  request->second->error = error;
  requests_.erase(request);
  notify();
}

// Enqueues a request and waits for its end.
int OndemandCache::send(Lock& lock, const std::shared_ptr<Object>& object, OndemandMessage message,
                        const KillFlag* kill) {
  if (!is_ondemand_) return 0;
  const bool is_open = message.header.opcode == abi::kOpOpen;
  const bool is_close = message.header.opcode == abi::kOpClose;
  if (is_dead() || object->state == Object::State::kDropping ||
      (is_close && object->state != Object::State::kOpen)) {
    if (is_open && object->state != Object::State::kDropping) object->state = Object::State::kClose;
    return EIO;
  }
  auto request = std::make_shared<Request>();
  request->message = std::move(message);
  request->object = object;
  const std::uint32_t id = add(request);
  if (!core_.wait(lock, kill, [&] { return request->is_done; })) {
    requests_.erase(id);
    notify();
    return EINTR;
  }
  return request->error;
}

// The object's worker asks for a new descriptor; reads of it wait until there is one.
void OndemandCache::reopen(const std::shared_ptr<Object>& object) {
  object->state = Object::State::kReopening;
  const auto self = shared_from_this();
  core_.spawn([self, object](Lock& lock) { self->ask_size(lock, object); });
}

OndemandCache::Requests::iterator OndemandCache::select(Requests::iterator begin,
                                                        Requests::iterator end) {
  for (auto entry = begin; entry != end; ++entry) {
    const std::shared_ptr<Request> request = entry->second;
    if (!request->is_new) continue;
    if (request->message.header.opcode != abi::kOpRead) return entry;
    if (request->object->state == Object::State::kClose)
      reopen(request->object);
    else if (request->object->state != Object::State::kReopening)
      return entry;
  }
  return requests_.end();
}

// The next new one behind the one that was given last, going round.
OndemandCache::Requests::iterator OndemandCache::select() {
  const auto middle = requests_.lower_bound(next_read_);
  const auto found = select(middle, requests_.end());
  if (found != requests_.end()) return found;
  const auto early = select(requests_.begin(), middle);
  return early == middle ? requests_.end() : early;
}

cachefiles::Device::Read OndemandCache::read(util::MutableBytes buffer) {
  if (!is_ready()) return {0, 0};
  const auto entry = select();
  notify();  // reads that are being reopened do not count
  if (entry == requests_.end()) return {0, 0};
  const std::shared_ptr<Request> request = entry->second;
  if (buffer.size() < cachefiles::encode_ondemand_message(request->message).size())
    return {0, EMSGSIZE};
  request->is_new = false;
  next_read_ = entry->first + 1;
  const std::uint32_t opcode = request->message.header.opcode;
  const int error = opcode == abi::kOpOpen ? install_descriptor(*request) : 0;
  if (error != 0) {
    finish(entry, error);
    return {0, error};
  }
  request->message.header.object_id = static_cast<std::uint32_t>(request->object->ondemand_id);
  const util::Buffer bytes = cachefiles::encode_ondemand_message(request->message);
  std::copy(bytes.begin(), bytes.end(), buffer.begin());
  if (opcode == abi::kOpClose)
    finish(entry, 0);
  else
    notify();
  return {bytes.size(), 0};
}

int OndemandCache::install_descriptor(Request& request) {
  Object& object = *request.object;
  if (object.ondemand_id > 0) return EEXIST;  // as after "restore" with the old one still open
  while (object_ids_.contains(next_object_id_))
    next_object_id_ = next_object_id_ == std::numeric_limits<int>::max() ? 1 : next_object_id_ + 1;
  object.ondemand_id = next_object_id_;
  object_ids_.insert(next_object_id_);
  next_object_id_ = next_object_id_ == std::numeric_limits<int>::max() ? 1 : next_object_id_ + 1;
  int fd = kFirstDescriptor;
  while (core_.descriptors.contains(fd))
    ++fd;
  core_.descriptors[fd] = {request.object, shared_from_this()};
  add_pin();
  request.message.fd = fd;
  return 0;
}

// ---- what the kernel asks

int OndemandCache::ask_size(Lock& lock, const std::shared_ptr<Object>& object) {
  if (object->state == Object::State::kOpen) return 0;
  OndemandMessage message;
  message.header.opcode = abi::kOpOpen;
  message.volume_key = object->volume->key;
  message.cookie_key = object->key;
  message.fd = 0;  // until it is given
  return send(lock, object, std::move(message), nullptr);
}

int OndemandCache::ask_data(Lock& lock, const std::shared_ptr<Object>& object, std::uint64_t offset,
                            std::uint64_t len, const KillFlag* kill) {
  OndemandMessage message;
  message.header.opcode = abi::kOpRead;
  message.range = {offset, len};
  return send(lock, object, std::move(message), kill);
}

void OndemandCache::let_go(const std::shared_ptr<Object>& object) {
  const std::filesystem::path path = path_of(*object);
  core_.dying.insert(path);
  const auto self = shared_from_this();
  core_.spawn([self, this, object, path](Lock& lock) {
    drop_object(lock, object);
    core_.dying.erase(core_.dying.find(path));
    core_.changed.notify_all();
  });
}

// Tells the daemon, ends what still asks for the object, and lets the file go.
void OndemandCache::drop_object(Lock& lock, const std::shared_ptr<Object>& object) {
  core_.wait(lock, nullptr, [&] { return object->look_up != Object::LookUp::kPending; });
  if (is_ondemand_) {
    OndemandMessage message;
    message.header.opcode = abi::kOpClose;
    if (object->state == Object::State::kOpen) send(lock, object, std::move(message), nullptr);
    if (object->ondemand_id != 0) {
      object->state = Object::State::kDropping;
      for (auto entry = requests_.begin(); entry != requests_.end();) {
        const auto current = entry++;
        if (current->second->object == object) finish(current, EIO);
      }
    }
  }
  withdraw(core_, *object);
}

void OndemandCache::flush() {
  for (const auto& [id, request] : requests_) {
    request->is_done = true;
    request->error = EIO;
    if (request->message.header.opcode == abi::kOpOpen &&
        request->object->state == Object::State::kReopening)
      request->object->state = Object::State::kClose;
  }
  requests_.clear();
}

// ---- what the daemon says

int OndemandCache::take_bind_arguments(std::string_view args) {
  if (args == "ondemand" && core_.traits.has_ondemand) {
    is_ondemand_ = true;
    return 0;
  }
  return args.empty() ? 0 : EINVAL;
}

int OndemandCache::own_command(const Command& command) {
  const bool is_copen = command.name == "copen";
  if (!is_copen && command.name != "restore") return -1;
  if (!is_ondemand_) return EOPNOTSUPP;
  return is_copen ? copen(command.args) : restore();
}

int OndemandCache::copen(std::string_view args) {
  const std::size_t comma = args.find(',');
  if (comma == std::string_view::npos) return EINVAL;
  const ParsedUnsigned id = parse_unsigned(args.substr(0, comma));
  if (id.error != 0) return id.error;
  if (id.value > std::numeric_limits<std::uint32_t>::max()) return EINVAL;
  const auto entry = requests_.find(static_cast<std::uint32_t>(id.value));
  if (entry == requests_.end() || entry->second->message.header.opcode != abi::kOpOpen ||
      entry->second->object->ondemand_id == 0)
    return EINVAL;
  Object& object = *entry->second->object;
  const ParsedSigned size = parse_signed(args.substr(comma + 1));
  int result = 0;
  int error = 0;
  if (size.error != 0) {
    result = error = size.error;
  } else if (size.value < -abi::kMaxErrno) {
    result = error = EINVAL;
  } else if (size.value < 0) {
    error = static_cast<int>(-size.value);
  } else if (object.ondemand_id == kClosedId) {
    error = EBADFD;
  } else {
    object.size = static_cast<std::uint64_t>(size.value);
    object.state = Object::State::kOpen;
  }
  if (object.ondemand_id == kClosedId) object.state = Object::State::kClose;
  finish(entry, error);
  return result;
}

int OndemandCache::restore() {
  for (const auto& [id, request] : requests_)
    request->is_new = true;
  return 0;
}

int OndemandCache::complete_read(const Object& object, std::uint32_t message_id) {
  const auto entry = requests_.find(message_id);
  if (entry == requests_.end() || entry->second->message.header.opcode != abi::kOpRead ||
      entry->second->object.get() != &object)
    return EINVAL;
  finish(entry, 0);
  return 0;
}

void OndemandCache::close_descriptor(Object& object) {
  const int id = object.ondemand_id;
  object.ondemand_id = kClosedId;
  object.state = Object::State::kClose;
  for (auto entry = requests_.begin(); entry != requests_.end();) {
    const auto current = entry++;
    const Request& request = *current->second;
    if (request.is_new && request.object.get() == &object &&
        request.message.header.opcode == abi::kOpClose)
      finish(current, 0);
  }
  object_ids_.erase(id);
  notify();
  drop_pin();
}

}  // namespace ondemand::simulate
