// SPDX-License-Identifier: Apache-2.0
#include "transport/shared_counter.h"

#include <sys/mman.h>

#include <cerrno>
#include <new>

#include "util/error.h"

namespace ondemand::transport {

SharedCounter::SharedCounter() {
  void* memory = ::mmap(nullptr, sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw util::errno_error("counter", "allocate shared memory", errno);
  value_ = new (memory) std::atomic<std::uint64_t>(0);
}

SharedCounter::~SharedCounter() {
  ::munmap(value_, sizeof *value_);
}

}  // namespace ondemand::transport
