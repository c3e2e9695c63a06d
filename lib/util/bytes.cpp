// SPDX-License-Identifier: Apache-2.0
#include "util/bytes.h"

#include "util/error.h"
#include "util/text.h"

namespace ondemand::util {

Bytes ByteReader::take(std::size_t len, std::string_view field) {
  if (len > remaining()) {
    throw Error(ErrorCode::kCorrupt,
                concat(object_, ": read ", field, ": ", len, " bytes wanted at offset 0x",
                       to_hex(offset_), ", ", remaining(), " left"));
  }
  const Bytes taken = bytes_.subspan(offset_, len);
  offset_ += len;
  return taken;
}

}  // namespace ondemand::util
