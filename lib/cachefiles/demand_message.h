// SPDX-License-Identifier: Apache-2.0
//
// Messages of /dev/cachefiles_demand <-> bytes.  Pure.  Source: abi.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::cachefiles {

// A reader waits for a range of a backing file.
struct DemandMessage {
  std::uint64_t id = 0;   // names the request in the answer
  std::uint32_t op = 0;   // one that is not known is to be refused
  util::ByteRange range;  // as it came: it may lie behind the end of the file and overflow
  std::uint64_t object_size = 0;
  std::string path;          // below <root>/cache: "I<volume>/@<fan>/<file>", but any text may come
  bool is_repeated = false;  // it was given before, to a daemon that did not answer
  bool operator==(const DemandMessage&) const = default;
};

// Exactly one message.  Throws kCorrupt.
DemandMessage decode_demand_message(util::Bytes bytes);

// Whom to answer when the rest cannot be decoded; nullopt: not even that can be told.
std::optional<std::uint64_t> demand_message_id(util::Bytes bytes);

// The opposite, for simulators and tests.  Throws kTooLarge.
util::Buffer encode_demand_message(const DemandMessage& message);

// A message of the first proposal: 280 bytes, after the command "compat".  demandd does not speak
// it; the simulated kernel and the tests in a guest do, which hold our series to what it promises
// there.
struct CompatMessage {
  std::uint64_t id = 0;
  util::ByteRange range;
  std::string name;  // of the backing file, without its directories
  bool operator==(const CompatMessage&) const = default;
};

// Throws kCorrupt.
CompatMessage decode_compat_message(util::Bytes bytes);
// Throws kTooLarge.
util::Buffer encode_compat_message(const CompatMessage& message);

}  // namespace ondemand::cachefiles
