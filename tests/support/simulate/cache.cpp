// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/cache.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "cache/cache_mark.h"
#include "cachefiles/abi.h"
#include "support/simulate/kernel_text.h"
#include "support/simulate/lookup.h"

namespace ondemand::simulate {

namespace {

constexpr std::string_view kBlanks = " \t\n\v\f\r";

}  // namespace

void Cache::notify() {
  signal_.set_readable(has_message());
  signal_.set_writable(is_culling_);
  if (is_dead_ && tells_death()) signal_.set_error();
  core_.changed.notify_all();
}

void Cache::die() {
  is_dead_ = true;
  flush();
  notify();
}

void Cache::drop_description() {
  if (--descriptions_ > 0) return;
  die();
  if (pins_ == 0) unbind();
}

void Cache::drop_pin() {
  if (--pins_ == 0 && descriptions_ == 0) unbind();
}

// Everything that uses the cache is out of service for ever; another device may be opened.
void Cache::unbind() {
  const std::shared_ptr<Cache> self = shared_from_this();
  if (core_.bound == self) core_.bound.reset();
  for (const auto& [key, volume] : core_.volumes) {
    if (volume->cache != self) continue;
    for (const auto& [name, object] : volume->objects)
      withdraw(core_, *object);
  }
  core_.is_slot_taken = false;
  core_.changed.notify_all();
}

int Cache::command(Lock&, std::string_view text) {
  if (is_dead_) return EIO;
  if (text.size() > cachefiles::abi::kMaxCommandBytes) return EOPNOTSUPP;
  if (text.find('\0') != std::string_view::npos) return EINVAL;
  const std::size_t newline = text.find('\n');
  if (newline == 0) return EINVAL;
  text = text.substr(0, newline);
  const std::size_t blank = text.find_first_of(kBlanks);
  if (blank == 0) return EOPNOTSUPP;
  Command command{std::string(text.substr(0, blank)), {}};
  if (blank != std::string_view::npos) {
    const std::size_t start = text.find_first_not_of(kBlanks, blank);
    if (start != std::string_view::npos) command.args = text.substr(start);
  }
  int result = common_command(command);
  if (result == -1) result = own_command(command);
  if (result == -1) return EOPNOTSUPP;
  notify();
  return result;
}

int Cache::common_command(const Command& command) {
  const std::string& args = command.args;
  if (command.name == "bind") return bind(args);
  if (command.name == "dir") {
    if (args.empty()) return EINVAL;
    if (!root_.empty()) return EEXIST;
    root_ = args;
    return 0;
  }
  if (command.name == "tag") {
    if (args.empty()) return EINVAL;
    if (!tag_.empty()) return EEXIST;
    tag_ = args;
    return 0;
  }
  // There is no security module here: whatever it is, it is not known.
  if (command.name == "secctx") return args.empty() ? EINVAL : EOPNOTSUPP;
  if (command.name == "debug") return args.empty() || parse_unsigned(args).error == 0 ? 0 : EINVAL;
  if (command.name == "cull") return cull(args, false);
  if (command.name == "inuse") return cull(args, true);
  for (const char* limit : {"brun", "bcull", "bstop", "frun", "fcull", "fstop"})
    if (command.name == limit) return set_limit(command.name, args);
  return -1;
}

int Cache::set_limit(const std::string& name, std::string_view text) {
  const int percent = parse_percent(text);
  if (percent < 0) return EINVAL;
  Limits limits = name[0] == 'b' ? blocks_ : files_;
  const std::string_view which = std::string_view(name).substr(1);
  (which == "run" ? limits.run : which == "cull" ? limits.cull : limits.stop) = percent;
  if (!limits.is_valid()) return EINVAL;
  (name[0] == 'b' ? blocks_ : files_) = limits;
  return 0;
}

int Cache::bind(std::string_view args) {
  if (root_.empty()) return EINVAL;
  if (is_ready_) return EBUSY;
  if (const int error = take_bind_arguments(args); error != 0) return error;
  if (tag_.empty()) tag_ = "CacheFiles";
  return add_cache();
}

int Cache::add_cache() {
  struct stat info {};
  if (::stat(root_.c_str(), &info) != 0) return errno;
  if (!S_ISDIR(info.st_mode)) return ENOTDIR;
  struct statfs system {};
  if (::statfs(root_.c_str(), &system) != 0) return errno;
  const auto type = static_cast<std::uint64_t>(system.f_type);
  if (type == TMPFS_MAGIC || type == RAMFS_MAGIC) return EOPNOTSUPP;
  if ((system.f_flags & ST_RDONLY) != 0) return EROFS;
  if (const int error = get_directory(store()); error != 0) return error;
  if (core_.traits.has_series)
    if (const int error = check_mark(); error != 0) return error;
  if (const int error = get_directory(root_ / "graveyard"); error != 0) return error;
  is_ready_ = true;
  core_.bound = shared_from_this();
  check_space();
  return 0;
}

int Cache::get_directory(const std::filesystem::path& path) const {
  if (may_alter() && ::mkdir(path.c_str(), 0700) == 0) return 0;
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return errno;
  return S_ISDIR(info.st_mode) ? 0 : EIO;
}

int Cache::check_mark() const {
  const cache::CacheMark wanted =
      wants_mark() ? cache::CacheMark::kDemand : cache::CacheMark::kNone;
  return cache::read_mark(store()) == wanted ? 0 : EMEDIUMTYPE;
}

int Cache::check_space() {
  const int free = static_cast<int>(core_.free_percent);
  if (free < blocks_.cull || free < files_.cull)
    is_culling_ = true;
  else if (free >= blocks_.run && free >= files_.run)
    is_culling_ = false;
  notify();
  return free < blocks_.stop || free < files_.stop ? ENOBUFS : 0;
}

// The name is looked up in the directory that the caller stands in.
int Cache::cull(const std::string& name, bool only_look) {
  if (name.find('/') != std::string::npos) return EINVAL;
  if (!is_ready_) return EIO;
  if (name.empty()) return EIO;
  struct stat info {};
  if (::fstatat(AT_FDCWD, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? ENOENT : EIO;
  if (core_.in_use.contains({info.st_dev, info.st_ino})) return EBUSY;
  if (only_look) return 0;
  if (!bury(*this, name)) return EIO;
  if (looks_at_space_after_cull()) check_space();
  return 0;
}

}  // namespace ondemand::simulate
