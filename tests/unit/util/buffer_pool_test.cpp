// SPDX-License-Identifier: Apache-2.0
#include "util/buffer_pool.h"

#include <gtest/gtest.h>

#include <memory>

namespace ondemand::util {
namespace {

TEST(BufferPool, GivesABufferOutAgainEmptyAndWithItsMemory) {
  BufferPool pool;
  auto first = pool.take();
  first->resize(100000);
  const void* const memory = first->data();
  first.reset();
  const auto second = pool.take();
  EXPECT_TRUE(second->empty());
  EXPECT_GE(second->capacity(), 100000U);
  EXPECT_EQ(static_cast<const void*>(second->data()), memory);
}

TEST(BufferPool, GivesEveryUserABufferOfItsOwn) {
  BufferPool pool;
  const auto first = pool.take();
  const auto second = pool.take();
  EXPECT_NE(first, second);
}

TEST(BufferPool, ABufferMayOutliveItsPool) {
  auto pool = std::make_unique<BufferPool>();
  const auto buffer = pool->take();
  pool.reset();
  buffer->push_back(1);
  EXPECT_EQ(buffer->size(), 1U);
}

}  // namespace
}  // namespace ondemand::util
