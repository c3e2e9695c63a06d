// SPDX-License-Identifier: Apache-2.0
#include "codec/decompress.h"

#include <algorithm>
#include <array>
#include <utility>

#include "codec/gzip_source.h"
#include "codec/xz_source.h"
#include "codec/zstd.h"
#include "util/error.h"

namespace ondemand::codec {

namespace {

template <std::size_t N>
bool starts_with(util::Bytes bytes, const std::array<std::uint8_t, N>& magic) {
  return bytes.size() >= N && std::equal(magic.begin(), magic.end(), bytes.begin());
}

class PassThrough : public util::ByteSource {
 public:
  explicit PassThrough(util::ByteSource& inner) : inner_(inner) {}
  std::size_t read(util::MutableBytes out) override { return inner_.read(out); }

 private:
  util::ByteSource& inner_;
};

}  // namespace

std::string_view to_string(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "none";
    case Compression::kGzip:
      return "gzip";
    case Compression::kZstd:
      return "zstd";
    case Compression::kXz:
      return "xz";
  }
  return "none";
}

Compression detect_compression(util::Bytes first_bytes) {
  static constexpr std::array<std::uint8_t, 2> kGzipMagic{0x1F, 0x8B};
  static constexpr std::array<std::uint8_t, 4> kZstdMagic{0x28, 0xB5, 0x2F, 0xFD};
  static constexpr std::array<std::uint8_t, 3> kSkippableTail{0x2A, 0x4D, 0x18};
  static constexpr std::array<std::uint8_t, 6> kXzMagic{0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00};
  if (starts_with(first_bytes, kGzipMagic)) return Compression::kGzip;
  if (starts_with(first_bytes, kZstdMagic)) return Compression::kZstd;
  if (starts_with(first_bytes, kXzMagic)) return Compression::kXz;
  if (first_bytes.size() >= 4 && (first_bytes[0] & 0xF0) == 0x50 &&
      starts_with(first_bytes.subspan(1), kSkippableTail))
    return Compression::kZstd;
  return Compression::kNone;
}

std::unique_ptr<util::ByteSource> make_decompressor(Compression compression,
                                                    util::ByteSource& inner, std::string name) {
  switch (compression) {
    case Compression::kNone:
      return std::make_unique<PassThrough>(inner);
    case Compression::kGzip:
      return make_gzip_source(inner, std::move(name));
    case Compression::kZstd:
      return std::make_unique<ZstdDecompressSource>(inner, std::move(name));
    case Compression::kXz:
      return make_xz_source(inner, std::move(name));
  }
  throw util::Error(util::ErrorCode::kInternal, name + ": decompress: no such compression");
}

}  // namespace ondemand::codec
