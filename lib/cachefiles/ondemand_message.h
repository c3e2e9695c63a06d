// SPDX-License-Identifier: Apache-2.0
//
// Messages of /dev/cachefiles in on-demand mode <-> bytes.  Pure.  Source: abi.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::cachefiles {

// What every message begins with; enough to answer one that is otherwise not understood.
struct OndemandHeader {
  std::uint32_t message_id = 0;  // names the request in the answer
  std::uint32_t opcode = 0;      // abi::kOp*
  std::uint32_t object_id = 0;   // of the descriptor that the object's last OPEN brought
  bool operator==(const OndemandHeader&) const = default;
};

struct OndemandMessage {
  OndemandHeader header;
  // OPEN
  std::string volume_key;  // any bytes but NUL
  std::string cookie_key;  // any bytes
  int fd = -1;             // ours from now on.  Range: >= 0
  // READ
  util::ByteRange range;  // as it came: it may lie behind the end of the object and overflow
  bool operator==(const OndemandMessage&) const = default;
};

// Exactly one message.  Throws kCorrupt, and kUnsupported for an opcode that is not known.
OndemandMessage decode_ondemand_message(util::Bytes bytes);

// nullopt: not even that can be told.
std::optional<OndemandHeader> ondemand_header(util::Bytes bytes);

// Of an OPEN, however wrong the rest is: somebody must close it.  nullopt: it brought none.
std::optional<int> ondemand_descriptor(util::Bytes bytes);

// The opposite, for simulators and tests.  Throws kTooLarge.
util::Buffer encode_ondemand_message(const OndemandMessage& message);

}  // namespace ondemand::cachefiles
