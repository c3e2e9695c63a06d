// SPDX-License-Identifier: Apache-2.0
//
// An order of files in which their data can be read, and built again: each blob is walked from its
// begin to its end, so that frames are decompressed once; and whoever deduplicates the files in
// this order as the builder does lays the same chunks in the same places again, where one blob has
// all the data and all of it is in use.
#pragma once

#include <vector>

#include "erofs/bootstrap_reader.h"

namespace ondemand::view {

// Positions in `files` of those that have data on devices, in that order.  Pure; 32 bytes of memory
// for each file.
std::vector<std::uint32_t> data_order(const erofs::BootstrapReader& bootstrap,
                                      const std::vector<util::Nid>& files);

}  // namespace ondemand::view
