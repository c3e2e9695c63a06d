// SPDX-License-Identifier: Apache-2.0
#include "chunk/extent.h"

#include <gtest/gtest.h>

namespace ondemand::chunk {
namespace {

TEST(Extents, NeighboursMergeOnlyWhereFileAndDeviceContinue) {
  Extents extents;
  append_extent(extents, {0, 2, {10}, {1}});
  append_extent(extents, {2, 1, {12}, {1}});
  EXPECT_EQ(extents, (Extents{{0, 3, {10}, {1}}}));
  append_extent(extents, {3, 1, {13}, {2}});  // other device
  append_extent(extents, {4, 1, {15}, {2}});  // address jumps
  append_extent(extents, {6, 1, {16}, {2}});  // hole before it
  EXPECT_EQ(extents.size(), 4U);
}

}  // namespace
}  // namespace ondemand::chunk
