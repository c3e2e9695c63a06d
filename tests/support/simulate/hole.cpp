// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/hole.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ondemand::simulate {

namespace {

constexpr std::uint64_t kBlock = 4096;  // of the cache's file system

std::uint64_t round_up(std::uint64_t value) {
  return (value + kBlock - 1) / kBlock * kBlock;
}

}  // namespace

Probe probe_file(int fd, std::uint64_t offset, std::uint64_t len) {
  const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) return {errno == ENXIO ? Probe::Kind::kHole : Probe::Kind::kError, len};
  const auto begin = static_cast<std::uint64_t>(data);
  if (begin >= offset + len) return {Probe::Kind::kHole, len};
  if (begin > offset) return {Probe::Kind::kHole, round_up(begin) - offset};
  const off_t hole = ::lseek(fd, static_cast<off_t>(offset), SEEK_HOLE);
  if (hole < 0) return {Probe::Kind::kError, 0};
  const auto end = static_cast<std::uint64_t>(hole);
  if (end >= offset + len) return {Probe::Kind::kData, len};
  const std::uint64_t whole = end / kBlock * kBlock;
  if (whole <= offset) return {Probe::Kind::kHole, len};  // cut inside the block
  return {Probe::Kind::kData, whole - offset};
}

}  // namespace ondemand::simulate
