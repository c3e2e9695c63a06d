// SPDX-License-Identifier: Apache-2.0
#include "tar/global_pax.h"

#include "util/error.h"
#include "util/text.h"

namespace ondemand::tar {

void GlobalPax::read(std::string_view body) {
  parse_pax_records(util::as_bytes(body), values_);
  bytes_ = stored_bytes(values_);
  if (bytes_ > kMaxBytes)
    throw util::Error(util::ErrorCode::kTooLarge, util::concat("global extended headers: ", bytes_,
                                                               " bytes, the limit is ", kMaxBytes));
}

const PaxValues& GlobalPax::copy() {
  may_copy_ += kCopiedPerEntry;
  if (bytes_ > may_copy_)
    throw util::Error(util::ErrorCode::kTooLarge,
                      util::concat("global extended headers: ", bytes_,
                                   " bytes are too many for so many entries"));
  may_copy_ -= bytes_;
  return values_;
}

}  // namespace ondemand::tar
