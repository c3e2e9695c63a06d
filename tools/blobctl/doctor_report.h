// SPDX-License-Identifier: Apache-2.0
//
// What 'blobctl doctor' tells, in its two forms.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "probe/verdict.h"

namespace ondemand::blobctl {

struct Diagnosis {
  probe::KernelFacts kernel;
  probe::FileSystemFacts files;
  std::vector<probe::Verdict> verdicts;
};

std::string to_json(const Diagnosis& diagnosis);
void print(const Diagnosis& diagnosis, std::ostream& out);

}  // namespace ondemand::blobctl
