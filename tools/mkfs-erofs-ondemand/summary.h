// SPDX-License-Identifier: Apache-2.0
//
// What a finished build prints: text for people, or one JSON object.
#pragma once

#include <iosfwd>
#include <string>

#include "image/image_builder.h"

namespace ondemand::mkfs {

void print_text(std::ostream& out, const image::BuildResult& result, const std::string& ref,
                double seconds);
void print_json(std::ostream& out, const image::BuildResult& result, const std::string& ref,
                double seconds);

}  // namespace ondemand::mkfs
