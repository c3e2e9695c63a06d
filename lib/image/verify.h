// SPDX-License-Identifier: Apache-2.0
//
// Reads an image that was just written back through the reader that `blobctl check` and `export`
// use, and compares it with what went in.
#pragma once

#include <filesystem>

#include "hash/digest.h"
#include "image/content_digest.h"
#include "source/source.h"
#include "tree/node.h"

namespace ondemand::image {

// Every object and frame is decoded, every name and attribute compared with `tree`, and every
// regular file's bytes with `record`.  Throws kCorrupt with the first thing that is not as it was.
void verify_image(source::Source& source, const hash::Digest& manifest, const tree::Tree& tree,
                  const ContentRecord& record, const std::filesystem::path& temporary);

}  // namespace ondemand::image
