// SPDX-License-Identifier: Apache-2.0
//
// What makes a second reading of an input possible, and the same as the first.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "input/image_input.h"

namespace ondemand::image {

// Begins before the first of several readings.  One thread.
class Reread {
 public:
  // A root filesystem from a pipe can be read once only: a copy of it goes to a file without a name
  // in `temporary`.  Borrows the input.
  // Throws kTooLarge for a stream of more than `max_bytes`; kIo.
  Reread(input::ImageInput& input, const std::filesystem::path& temporary, std::uint64_t max_bytes);

  // After the last one.  Throws kIo when a root filesystem's file changed since it began: its
  // digest is not known beforehand, as those of an image's layers are.
  void check_unchanged() const;

 private:
  // What every change of a file's bytes changes too: size, and nanoseconds of both times.
  using FileState = std::array<std::int64_t, 5>;
  FileState state() const;

  const input::ImageInput& input_;
  std::optional<FileState> state_;
};

}  // namespace ondemand::image
