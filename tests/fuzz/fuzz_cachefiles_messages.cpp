// SPDX-License-Identifier: Apache-2.0
//
// The first byte chooses the decoder.  What decodes must encode to something that decodes to the
// same.
#include <cstdlib>

#include "cachefiles/demand_message.h"
#include "cachefiles/ondemand_message.h"
#include "util/error.h"

using namespace ondemand;

namespace {

template <class Message>
void round_trip(util::Bytes bytes, Message (*decode)(util::Bytes),
                util::Buffer (*encode)(const Message&)) {
  try {
    const Message message = decode(bytes);
    if (!(decode(encode(message)) == message)) std::abort();
  } catch (const util::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const util::Bytes bytes(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      cachefiles::demand_message_id(bytes);
      round_trip(bytes, cachefiles::decode_demand_message, cachefiles::encode_demand_message);
      break;
    case 1:
      round_trip(bytes, cachefiles::decode_compat_message, cachefiles::encode_compat_message);
      break;
    default:
      cachefiles::ondemand_header(bytes);
      round_trip(bytes, cachefiles::decode_ondemand_message, cachefiles::encode_ondemand_message);
      break;
  }
  return 0;
}
