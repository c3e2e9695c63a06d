// SPDX-License-Identifier: Apache-2.0
#include "util/buffer_pool.h"

#include <utility>

namespace ondemand::util {

std::shared_ptr<Buffer> BufferPool::take() {
  std::unique_ptr<Buffer> buffer;
  {
    const std::lock_guard lock(idle_->mutex);
    if (idle_->buffers.empty()) {
      buffer = std::make_unique<Buffer>();
      // Room for its way back, which must not fail.
      idle_->buffers.reserve(++idle_->made);
    } else {
      buffer = std::move(idle_->buffers.back());
      idle_->buffers.pop_back();
    }
  }
  buffer->clear();
  Buffer* const released = buffer.release();
  return {released, [idle = idle_](Buffer* done) noexcept {
            std::unique_ptr<Buffer> back(done);
            const std::lock_guard lock(idle->mutex);
            idle->buffers.push_back(std::move(back));
          }};
}

}  // namespace ondemand::util
