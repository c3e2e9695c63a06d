// SPDX-License-Identifier: Apache-2.0
#include "support/no_memory.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace ondemand::test {

namespace {
std::atomic<bool> is_used_up = false;
thread_local bool has_memory = false;
}  // namespace

NoMemory::NoMemory() {
  has_memory = true;
  is_used_up = true;
}

NoMemory::~NoMemory() {
  is_used_up = false;
  has_memory = false;
}

static void* allocate(std::size_t size) {
  if (is_used_up && !has_memory) throw std::bad_alloc();
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
