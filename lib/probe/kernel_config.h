// SPDX-License-Identifier: Apache-2.0
//
// How the running kernel was configured, as far as it can be told.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace ondemand::probe {

struct KernelConfig {
  std::string source;  // file that it was read from; empty: none was found
  // Options without "CONFIG_" -> "y", "m" or a value; what is not set is not in it.
  std::map<std::string, std::string, std::less<>> options;

  bool is_known() const { return !source.empty(); }
  // 'y', 'm', 'n' (not set), or '?' when no configuration was found.
  char state(std::string_view option) const;
};

// Pure.  Lines that are no option are left out.
std::map<std::string, std::string, std::less<>> parse_kernel_config(std::string_view text);

// /proc/config.gz, /boot/config-<release>, /lib/modules/<release>/config: the first that can be
// read.
KernelConfig read_kernel_config(std::string_view release);

// A module of that name, or of one that only differs in '-' and '_', in the text of a modules.dep
// or modules.builtin file.  Pure.
bool has_module(std::string_view text, std::string_view module);

}  // namespace ondemand::probe
