// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/demand_cache.h"

#include <algorithm>
#include <cerrno>

#include "cache/backing_path.h"
#include "cachefiles/abi.h"
#include "support/simulate/kernel_text.h"
#include "support/simulate/lookup.h"
#include "util/text.h"

namespace ondemand::simulate {

using cachefiles::DemandMessage;

util::Buffer DemandCache::encode(const DemandMessage& message) const {
  if (!is_compat_) return cachefiles::encode_demand_message(message);
  const std::string name = message.path.substr(message.path.rfind('/') + 1);
  return cachefiles::encode_compat_message({message.id, message.range, name});
}

cachefiles::Device::Read DemandCache::read(util::MutableBytes buffer) {
  if (is_dead()) return {0, EIO};
  if (is_ready()) check_space();
  if (new_.empty()) return {0, 0};
  const util::Buffer bytes = encode(new_.front()->message);
  if (buffer.size() < bytes.size()) return {0, EMSGSIZE};
  taken_.splice(taken_.end(), new_, new_.begin());
  std::copy(bytes.begin(), bytes.end(), buffer.begin());
  notify();
  return {bytes.size(), 0};
}

int DemandCache::ask_data(Lock& lock, const std::shared_ptr<Object>& object, std::uint64_t offset,
                          std::uint64_t len, const KillFlag* kill) {
  if (is_dead()) return EIO;
  auto request = std::make_shared<Request>();
  request->message.id = ++last_id_;
  request->message.op = cachefiles::abi::kDemandOpRead;
  request->message.range = {offset, len};
  request->message.object_size = object->size;
  request->message.path = util::concat("I", object->volume->key, '/',
                                       cache::fan_directory_name(object->fan), '/', object->name);
  new_.push_back(request);
  notify();
  if (!core_.wait(lock, kill, [&] { return request->is_done; })) {
    new_.remove(request);
    taken_.remove(request);
    notify();
    return EINTR;
  }
  return request->error;
}

void DemandCache::let_go(const std::shared_ptr<Object>& object) {
  withdraw(core_, *object);
}

int DemandCache::take_bind_arguments(std::string_view args) {
  return args.empty() ? 0 : EINVAL;
}

int DemandCache::own_command(const Command& command) {
  if (command.name == "done") return done(command.args);
  if (command.name == "fail") return fail(command.args);
  if (command.name == "restore") return restore(command.args);
  if (command.name == "compat") return use_compat(command.args);
  return -1;
}

int DemandCache::answer(std::uint64_t id, int error) {
  const auto is_named = [&](const auto& request) { return request->message.id == id; };
  const auto was_given = [&](const auto& request) {
    return is_named(request) && request->message.is_repeated;
  };
  Requests* list = &taken_;
  auto found = std::find_if(taken_.begin(), taken_.end(), is_named);
  if (found == taken_.end()) {
    list = &new_;
    found = std::find_if(new_.begin(), new_.end(), was_given);
  }
  if (found == list->end()) return EINVAL;
  (*found)->is_done = true;
  (*found)->error = error;
  list->erase(found);
  check_space();
  return 0;
}

int DemandCache::done(std::string_view args) {
  const ParsedUnsigned id = parse_unsigned(args);
  if (id.error != 0) return EINVAL;
  return answer(id.value, 0);
}

int DemandCache::fail(std::string_view args) {
  const std::size_t comma = args.find(',');
  if (comma == std::string_view::npos) return EINVAL;
  const ParsedUnsigned id = parse_unsigned(args.substr(0, comma));
  const ParsedUnsigned error = parse_unsigned(args.substr(comma + 1));
  if (id.error != 0 || error.error != 0 || error.value < 1 ||
      error.value > static_cast<std::uint64_t>(cachefiles::abi::kMaxErrno))
    return EINVAL;
  return answer(id.value, static_cast<int>(error.value));
}

int DemandCache::restore(std::string_view args) {
  if (!args.empty()) return EINVAL;
  for (const auto& request : taken_)
    request->message.is_repeated = true;
  new_.splice(new_.begin(), taken_);
  return 0;
}

int DemandCache::use_compat(std::string_view args) {
  if (!args.empty()) return EINVAL;
  if (is_ready()) return EBUSY;
  is_compat_ = true;
  return 0;
}

void DemandCache::flush() {
  new_.splice(new_.end(), taken_);
  for (const auto& request : new_) {
    request->is_done = true;
    request->error = EIO;
  }
  new_.clear();
}

}  // namespace ondemand::simulate
