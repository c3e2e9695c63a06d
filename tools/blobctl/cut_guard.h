// SPDX-License-Identifier: Apache-2.0
//
// Reading a mapped file that somebody else may cut: what lies behind its new end reads as zeros,
// where the kernel would end the process with SIGBUS.
#pragma once

namespace ondemand::blobctl {

// Acts as long as it exists, for the whole process; one at a time.
class CutGuard {
 public:
  CutGuard();
  ~CutGuard();
  CutGuard(const CutGuard&) = delete;
  CutGuard& operator=(const CutGuard&) = delete;
  // True when zeros were given for bytes that are gone: what was read is not to be believed.
  bool has_met_cut() const;
};

}  // namespace ondemand::blobctl
