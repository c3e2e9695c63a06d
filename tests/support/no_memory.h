// SPDX-License-Identifier: Apache-2.0
//
// A program without memory.  Link support/no_memory.cpp, which replaces operator new.
#pragma once

namespace ondemand::test {

// While it lives, operator new fails in every thread but the one that made it.
class NoMemory {
 public:
  NoMemory();
  ~NoMemory();
  NoMemory(const NoMemory&) = delete;
  NoMemory& operator=(const NoMemory&) = delete;
};

}  // namespace ondemand::test
