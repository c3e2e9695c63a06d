// SPDX-License-Identifier: Apache-2.0
//
// From what kernel and file system offer to what can be used, and what to do about the rest.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "probe/file_system.h"
#include "probe/kernel.h"

namespace ondemand::probe {

struct Problem {
  std::string what;
  std::string remedy;
};

struct Verdict {
  std::string transport;  // as demandd calls it
  std::vector<Problem> problems;
  std::vector<std::string> notes;  // that stand in nobody's way
  bool is_ready() const { return problems.empty(); }
};

// In the order in which demandd tries them.
std::vector<Verdict> judge(const KernelFacts& kernel, const FileSystemFacts& files);

}  // namespace ondemand::probe
