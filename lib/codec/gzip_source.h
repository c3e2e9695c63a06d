// SPDX-License-Identifier: Apache-2.0
//
// gzip streams by ISA-L; see decompress.h for the contract.
#pragma once

#include <memory>
#include <string>

#include "util/stream.h"

namespace ondemand::codec {

std::unique_ptr<util::ByteSource> make_gzip_source(util::ByteSource& inner, std::string name);

}  // namespace ondemand::codec
