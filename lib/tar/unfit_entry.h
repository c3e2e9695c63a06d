// SPDX-License-Identifier: Apache-2.0
//
// Why no image can hold an entry that is otherwise sound: it can be skipped and the next one read.
#pragma once

#include "util/error.h"

namespace ondemand::tar {

class UnfitEntry : public util::Error {
 public:
  using Error::Error;
};

}  // namespace ondemand::tar
