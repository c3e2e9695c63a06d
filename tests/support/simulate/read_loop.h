// SPDX-License-Identifier: Apache-2.0
//
// How EROFS reads a range of a cookie.  Under the core's lock, which is given up while it waits.
#pragma once

#include <cstdint>
#include <memory>

#include "support/simulate/core.h"
#include "support/simulate/kernel.h"

namespace ondemand::simulate {

// In windows of 64 KiB, whole blocks; each window asks for its holes one after the other, and once
// for each.
ReadResult read_object(Lock& lock, Core& core, const std::shared_ptr<Object>& object,
                       std::uint64_t offset, std::uint64_t len, const KillFlag* kill);

}  // namespace ondemand::simulate
