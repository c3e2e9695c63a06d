// SPDX-License-Identifier: Apache-2.0
#include "probe/kernel.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "cachefiles/abi.h"
#include "mount/probe.h"
#include "transport/fanotify_group.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::probe {

namespace {

constexpr std::uint64_t kMaxTextBytes = 16 * 1024 * 1024;

// Empty when it cannot be read.
std::string text_of(const std::string& path) {
  try {
    return util::read_text_file(path, kMaxTextBytes);
  } catch (const util::Error&) {
    return {};
  }
}

bool has_admin_right() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return ::geteuid() == 0;
  return (data[0].effective & (1U << CAP_SYS_ADMIN)) != 0;
}

bool is_loadable(const std::string& release, std::string_view module) {
  return has_module(text_of(util::concat("/lib/modules/", release, "/modules.dep")), module);
}

Presence presence(bool is_there, const std::string& release, std::string_view module) {
  if (is_there) return Presence::kPresent;
  return is_loadable(release, module) ? Presence::kLoadable : Presence::kAbsent;
}

Answer answer_of(char state) {
  if (state == '?') return Answer::kUnknown;
  return state == 'n' ? Answer::kNo : Answer::kYes;
}

// Asks EROFS itself, where it is there already: a context that is thrown away.
Answer ask_fsid(const KernelFacts& facts) {
  if (facts.erofs == Presence::kPresent && facts.is_root) {
    const util::Fd context(::fsopen("erofs", FSOPEN_CLOEXEC));
    if (context) {
      if (::fsconfig(context.get(), FSCONFIG_SET_STRING, "fsid", "probe", 0) != 0)
        return Answer::kNo;
      std::array<char, 256> message{};
      const ssize_t len = ::read(context.get(), message.data(), message.size());
      const std::string_view said(message.data(), len > 0 ? static_cast<std::size_t>(len) : 0);
      return said.find("not supported") == std::string_view::npos ? Answer::kYes : Answer::kNo;
    }
  }
  return answer_of(facts.config.state("EROFS_FS_ONDEMAND"));
}

Answer ask_file_backed(const KernelFacts& facts) {
  if (!mount::has_file_backed_version()) return Answer::kNo;
  return answer_of(facts.config.state("EROFS_FS_BACKED_BY_FILE"));
}

DeviceFacts look_at_device(const char* node) {
  DeviceFacts device;
  device.node = node;
  std::error_code ignored;
  device.exists = std::filesystem::is_character_file(node, ignored);
  if (device.exists) device.holders = device_holders(node);
  return device;
}

// Kernels before the events have the class of groups already.  Source: doc/KERNEL.md 4.2.
std::string ask_fanotify(const std::string& release) {
  try {
    transport::FanotifyGroup::open();
    if (is_at_least(release, 6, 14)) return {};
    return util::concat("fanotify of Linux ", release,
                        " has no pre-content events (6.14 and later have)");
  } catch (const util::Error& error) {
    return error.message();
  }
}

Answer ask_secure_boot() {
  // Four bytes of attributes, then the value.  Source: efivarfs; UEFI specification section 3.3.
  const std::string value =
      text_of("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
  if (value.size() == 5) return value[4] == 1 ? Answer::kYes : Answer::kNo;
  std::error_code ignored;
  return std::filesystem::exists("/sys/firmware/efi", ignored) ? Answer::kUnknown : Answer::kNo;
}

}  // namespace

bool is_at_least(std::string_view release, unsigned major, unsigned minor) {
  const std::size_t dot = release.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view rest = release.substr(dot + 1);
  const auto first = util::parse_u64(release.substr(0, dot));
  const auto second = util::parse_u64(rest.substr(0, rest.find_first_not_of("0123456789")));
  if (!first || !second) return false;
  return *first > major || (*first == major && *second >= minor);
}

std::string parse_lockdown(std::string_view text) {
  const std::size_t open = text.find('[');
  const std::size_t close = text.find(']', open);
  if (open == std::string_view::npos || close == std::string_view::npos) return {};
  return util::printable(text.substr(open + 1, close - open - 1));
}

KernelFacts probe_kernel() {
  KernelFacts facts;
  facts.release = mount::kernel_release();
  facts.config = read_kernel_config(facts.release);
  facts.is_root = has_admin_right();
  facts.demand = look_at_device(cachefiles::abi::kDemandDevice);
  facts.classic = look_at_device(cachefiles::abi::kDevice);
  facts.erofs = presence(mount::has_erofs(), facts.release, "erofs");
  facts.cachefiles =
      presence(facts.classic.exists || facts.demand.exists, facts.release, "cachefiles");
  facts.has_fsid = ask_fsid(facts);
  facts.has_file_backed = ask_file_backed(facts);
  facts.fanotify_error = ask_fanotify(facts.release);
  facts.lockdown = parse_lockdown(text_of("/sys/kernel/security/lockdown"));
  facts.secure_boot = ask_secure_boot();
  return facts;
}

}  // namespace ondemand::probe
