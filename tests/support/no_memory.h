// SPDX-License-Identifier: Apache-2.0
//
// A program without memory.  Link support/no_memory.cpp, which replaces operator new.
#pragma once

#include <cstddef>
#include <optional>

namespace ondemand::test {

// While it lives, operator new fails in every thread but the one that made it.
class NoMemory {
 public:
  NoMemory();
  ~NoMemory();
  NoMemory(const NoMemory&) = delete;
  NoMemory& operator=(const NoMemory&) = delete;
};

// While it lives, operator new fails in the thread that made it, after so many times.
class LittleMemory {
 public:
  explicit LittleMemory(std::size_t times);
  ~LittleMemory();
  LittleMemory(const LittleMemory&) = delete;
  LittleMemory& operator=(const LittleMemory&) = delete;
  // It was asked for more than there is.
  bool is_used_up() const;
};

// While it lives, LittleMemory does not count in the thread that made it.
class EnoughMemory {
 public:
  EnoughMemory();
  ~EnoughMemory();
  EnoughMemory(const EnoughMemory&) = delete;
  EnoughMemory& operator=(const EnoughMemory&) = delete;

 private:
  const std::optional<std::size_t> times_left_;
};

}  // namespace ondemand::test
