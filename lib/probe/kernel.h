// SPDX-License-Identifier: Apache-2.0
//
// What the running kernel offers.  Looks only: no module is loaded and no device opened.
#pragma once

#include <string>
#include <vector>

#include "probe/device_holders.h"
#include "probe/kernel_config.h"

namespace ondemand::probe {

enum class Presence {
  kAbsent,
  kLoadable,  // a module that is not loaded
  kPresent,
};

struct DeviceFacts {
  std::string node;
  bool exists = false;
  std::vector<Holder> holders;
};

enum class Answer { kNo, kYes, kUnknown };

struct KernelFacts {
  std::string release;
  KernelConfig config;
  bool is_root = false;  // CAP_SYS_ADMIN

  Presence erofs = Presence::kAbsent;
  Presence cachefiles = Presence::kAbsent;
  Answer has_fsid = Answer::kUnknown;         // EROFS over fscache
  Answer has_file_backed = Answer::kUnknown;  // EROFS over files
  DeviceFacts demand;                         // /dev/cachefiles_demand
  DeviceFacts classic;                        // /dev/cachefiles
  std::string fanotify_error;                 // empty: pre-content events can be had

  std::string lockdown;  // "none", "integrity", "confidentiality"; empty: unknown
  Answer secure_boot = Answer::kUnknown;
};

// Does not throw for what it finds.
KernelFacts probe_kernel();

// "6.14.2-amd64" is at least 6.14.  False for what is no release.  Pure.
bool is_at_least(std::string_view release, unsigned major, unsigned minor);

// The word in brackets of /sys/kernel/security/lockdown.  Pure.
std::string parse_lockdown(std::string_view text);

}  // namespace ondemand::probe
