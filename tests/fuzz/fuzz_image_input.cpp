// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as what the user names as IMAGE, in a file and as a stream: which form it is, links
// inside archives, which image is selected, and the layers it leads to.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "input/image_input.h"
#include "util/error.h"
#include "util/fd.h"

using namespace ondemand;

namespace {

// Unit: bytes, decompressed; of a stream, and of all layers together.
constexpr std::uint64_t kMaxBytes = 4 * util::kMiB;

void require(bool condition) {
  if (!condition) __builtin_trap();
}

// A file that is not at its beginning is read like a pipe.
util::Fd file_of(util::Bytes bytes, bool is_stream) {
  util::Fd fd(::memfd_create("image", MFD_CLOEXEC));
  if (is_stream) util::write_full(fd.get(), util::as_bytes("-"), "image");
  util::write_full(fd.get(), bytes, "image");
  require(::lseek(fd.get(), is_stream ? 1 : 0, SEEK_SET) >= 0);
  return fd;
}

void read_layers(const input::ImageInput& image) {
  std::uint64_t left = kMaxBytes;
  util::Buffer buffer(64 * util::kKiB);
  for (const input::Layer& layer : image.layers) {
    try {
      const auto stream = layer.open();
      std::size_t got = 1;
      while (got > 0 && left > 0) {
        got = stream->read(buffer);
        require(got <= buffer.size());
        left -= std::min<std::uint64_t>(left, got);
      }
      if (left == 0) return;
      stream->finish();
    } catch (const util::Error&) {
    }
  }
}

std::optional<input::ImageInput> open(util::Bytes bytes, bool is_stream,
                                      input::InputOptions options) {
  const util::Fd fd = file_of(bytes, is_stream);
  options.image = "-";
  options.stdin_fd = fd.get();
  options.temporary = "/tmp";
  options.max_bytes = kMaxBytes;
  try {
    input::ImageInput image = input::open_image(options);
    require(!image.layers.empty() || image.form != input::Form::kRootfs);
    require(image.config_json.empty() == (image.form == input::Form::kRootfs));
    require(image.source_digest.has_value() == (image.form != input::Form::kRootfs));
    read_layers(image);
    return image;
  } catch (const util::Error&) {
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const util::Bytes bytes(data, size);
  for (const char* ref : {"", "app:v1"}) {
    input::InputOptions options;
    options.ref = ref;
    options.platform = oci::Platform{"amd64", "linux", "", "", {}};
    if (!options.ref.empty()) options.platform.reset();
    const auto file = open(bytes, false, options);
    const auto stream = open(bytes, true, options);
    // A stream that is an archive is kept, and read as the file that it would have been.
    if (!stream || stream->form == input::Form::kRootfs) continue;
    require(file && file->form == stream->form && file->source_digest == stream->source_digest &&
            file->layers.size() == stream->layers.size() &&
            file->default_ref == stream->default_ref);
  }
  return 0;
}
