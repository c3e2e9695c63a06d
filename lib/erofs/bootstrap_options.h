// SPDX-License-Identifier: Apache-2.0
//
// What a bootstrap says besides the tree.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ondemand::erofs {

using Uuid = std::array<std::uint8_t, 16>;

// One data blob, in device order: options.devices[0] is device 1.
struct BlobDevice {
  std::string tag;            // at most 64 bytes; the hex digest of the blob
  std::uint32_t nblocks = 0;  // of its kernel view.  Unit: 4 KiB blocks
};

struct BootstrapOptions {
  std::vector<BlobDevice> devices;
  // The first bytes of the image, at most 1024, so that no tool takes it for an empty tar.
  std::string boot_text;
  // Without one: derived from all other bytes of the image (RFC 9562, version 8).
  std::optional<Uuid> uuid;
};

}  // namespace ondemand::erofs
