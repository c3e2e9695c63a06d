// SPDX-License-Identifier: Apache-2.0
//
// Large buffers that are used again, so that the kernel need not clear memory for each.
//
// Thread: any; a buffer may be let go on another thread than it was taken, and later than the pool.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "util/bytes.h"

namespace ondemand::util {

class BufferPool {
 public:
  // An empty buffer, with the capacity that it had in its last use.
  std::shared_ptr<Buffer> take();

 private:
  struct Idle {
    std::mutex mutex;
    std::vector<std::unique_ptr<Buffer>> buffers;
    std::size_t made = 0;  // of all: idle or in use
  };
  std::shared_ptr<Idle> idle_ = std::make_shared<Idle>();
};

}  // namespace ondemand::util
