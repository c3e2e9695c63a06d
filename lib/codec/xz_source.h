// SPDX-License-Identifier: Apache-2.0
//
// xz streams by liblzma; see decompress.h for the contract.
#pragma once

#include <memory>
#include <string>

#include "util/stream.h"

namespace ondemand::codec {

std::unique_ptr<util::ByteSource> make_xz_source(util::ByteSource& inner, std::string name);

}  // namespace ondemand::codec
