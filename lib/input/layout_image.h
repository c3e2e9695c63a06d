// SPDX-License-Identifier: Apache-2.0
//
// The two kinds of image archive, once their objects can be found by path.  Private to the module.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "input/image_input.h"
#include "input/objects.h"

namespace ondemand::input {

// `oci-layout`, `index.json` and `blobs/`: archive or directory.
ImageInput open_oci_image(const std::shared_ptr<const ObjectSet>& objects,
                          const InputOptions& options);
// `manifest.json` and what it names.
ImageInput open_docker_image(const std::shared_ptr<const ObjectSet>& objects,
                             const InputOptions& options);

// "a, b" for a message; of very many the first ones and their number.
std::string list_choices(const std::vector<std::string>& choices);

}  // namespace ondemand::input
