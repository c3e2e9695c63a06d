// SPDX-License-Identifier: Apache-2.0
//
// A whole archive read into memory, for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tar/entry.h"
#include "util/error.h"

namespace ondemand::tar {

struct ReadEntry {
  Entry entry;
  std::string data;  // with holes as zeros, up to 64 MiB
  std::uint64_t stored = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces;  // offset, length; neighbours merged
};

// `step` = most bytes that one read gives.
std::vector<ReadEntry> read_archive(std::string_view archive, std::size_t step = 1u << 20);
// The one entry of an archive.
ReadEntry read_one(std::string_view archive);
// The error that reading gives; fails the test when there is none.
util::Error read_error(std::string_view archive);

}  // namespace ondemand::tar
