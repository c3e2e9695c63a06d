// SPDX-License-Identifier: Apache-2.0
#include "support/no_memory.h"

#include <atomic>
#include <cstdlib>
#include <new>
#include <optional>
#include <utility>

namespace ondemand::test {

namespace {
std::atomic<bool> is_used_up = false;
thread_local bool has_memory = false;
thread_local std::optional<std::size_t> times_left;
thread_local bool was_refused = false;
}  // namespace

NoMemory::NoMemory() {
  has_memory = true;
  is_used_up = true;
}

NoMemory::~NoMemory() {
  is_used_up = false;
  has_memory = false;
}

LittleMemory::LittleMemory(std::size_t times) {
  was_refused = false;
  times_left = times;
}

LittleMemory::~LittleMemory() {
  times_left.reset();
}

bool LittleMemory::is_used_up() const {
  return was_refused;
}

EnoughMemory::EnoughMemory() : times_left_(std::exchange(times_left, std::nullopt)) {}

EnoughMemory::~EnoughMemory() {
  times_left = times_left_;
}

static void* allocate(std::size_t size) {
  if (is_used_up && !has_memory) throw std::bad_alloc();
  if (times_left && *times_left == 0) {
    was_refused = true;
    throw std::bad_alloc();
  }
  if (times_left) --*times_left;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace ondemand::test

// The other forms without an alignment call these.
void* operator new(std::size_t size) {
  return ondemand::test::allocate(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
