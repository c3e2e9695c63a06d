// SPDX-License-Identifier: Apache-2.0
//
// What the global extended headers of an archive have said so far.
#pragma once

#include <cstdint>
#include <string_view>

#include "tar/pax.h"

namespace ondemand::tar {

class GlobalPax {
 public:
  // Ours: of one body, and of all values together.  Unit: bytes
  static constexpr std::uint64_t kMaxBytes = 64 * 1024;

  // The body of a header.  Throws kCorrupt, kTooLarge.
  void read(std::string_view body);
  // For an entry.  Throws kTooLarge where the copies would take time without limit.
  const PaxValues& copy();

 private:
  // Ours: a base, and what each entry adds to it.
  static constexpr std::uint64_t kMaxCopied = std::uint64_t{256} << 20;
  static constexpr std::uint64_t kCopiedPerEntry = 1024;

  PaxValues values_;
  std::uint64_t bytes_ = 0;  // of values_
  std::uint64_t may_copy_ = kMaxCopied;
};

}  // namespace ondemand::tar
