// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a compressed stream of each kind, and as one stored frame.  What comes out is
// bounded here: a few bytes can stand for gigabytes, and unpacking those finds nothing new.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "codec/decompress.h"
#include "codec/zstd.h"
#include "util/error.h"

using namespace ondemand;

namespace {

constexpr std::uint64_t kMaxOutput = 1 << 20;

void read_stream(codec::Compression compression, util::Bytes bytes) {
  try {
    util::MemorySource inner(bytes);
    const auto source = codec::make_decompressor(compression, inner, "fuzz");
    std::vector<std::uint8_t> out(8192);
    std::uint64_t total = 0;
    while (total < kMaxOutput) {
      const std::size_t len = source->read(out);
      if (len > out.size()) __builtin_trap();
      if (len == 0) break;
      total += len;
    }
  } catch (const util::Error&) {
    // What a decoder says about bad bytes.
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const util::Bytes bytes(data, size);
  read_stream(codec::detect_compression(bytes), bytes);
  // Damaged magic numbers would hide everything behind them.
  for (const auto compression :
       {codec::Compression::kGzip, codec::Compression::kZstd, codec::Compression::kXz})
    read_stream(compression, bytes);
  for (const std::size_t expected : {std::size_t{0}, std::size_t{21}, std::size_t{4096}}) {
    try {
      std::vector<std::uint8_t> out(expected);
      codec::decompress_frame(bytes, out, "fuzz");
    } catch (const util::Error&) {
      // As above.
    }
  }
  return 0;
}
