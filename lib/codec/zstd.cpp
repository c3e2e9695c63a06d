// SPDX-License-Identifier: Apache-2.0
#include "codec/zstd.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <new>
#include <utility>

#include "codec/decompress.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::codec {

namespace {

using util::concat;
using util::Error;
using util::ErrorCode;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
using CompressContext = std::unique_ptr<ZSTD_CCtx, FreeContext>;
using DecompressContext = std::unique_ptr<ZSTD_DCtx, FreeContext>;

void set_parameter(ZSTD_CCtx* context, ZSTD_cParameter parameter, int value, const char* name) {
  const std::size_t result = ZSTD_CCtx_setParameter(context, parameter, value);
  if (ZSTD_isError(result) != 0)
    throw Error(ErrorCode::kUsage,
                concat("zstd: set ", name, ": ", value, ": ", ZSTD_getErrorName(result)));
}

// 0 leaves what the level implies, for the library too.
void set_parameters(ZSTD_CCtx* context, const ZstdParameters& parameters) {
  set_parameter(context, ZSTD_c_windowLog, parameters.window_log, "window log");
  set_parameter(context, ZSTD_c_chainLog, parameters.chain_log, "chain log");
  set_parameter(context, ZSTD_c_hashLog, parameters.hash_log, "hash log");
  set_parameter(context, ZSTD_c_searchLog, parameters.search_log, "search log");
  set_parameter(context, ZSTD_c_minMatch, parameters.min_match, "minimal match");
  set_parameter(context, ZSTD_c_targetLength, parameters.target_length, "target length");
  set_parameter(context, ZSTD_c_strategy, parameters.strategy, "strategy");
}

[[noreturn]] void fail_frame(std::string_view name, std::string_view reason) {
  throw Error(ErrorCode::kCorrupt, concat(name, ": decompress zstd frame: ", reason));
}

}  // namespace

bool is_valid_zstd_level(int level) {
  return level >= ZSTD_minCLevel() && level <= ZSTD_maxCLevel();
}

struct FrameCompressor::Impl {
  CompressContext context;
  // Room for the worst case, never cleared: a vector would clear what it grows by.
  std::unique_ptr<std::uint8_t[]> room;
  std::size_t room_size = 0;
};

FrameCompressor::FrameCompressor(int level, const std::optional<ZstdParameters>& parameters)
    : impl_(std::make_unique<Impl>()) {
  if (!is_valid_zstd_level(level))
    throw Error(ErrorCode::kUsage, concat("zstd: set level: ", level, ": not between ",
                                          ZSTD_minCLevel(), " and ", ZSTD_maxCLevel()));
  impl_->context.reset(ZSTD_createCCtx());
  if (!impl_->context) throw std::bad_alloc();
  ZSTD_CCtx* const context = impl_->context.get();
  set_parameter(context, ZSTD_c_compressionLevel, level, "level");
  set_parameter(context, ZSTD_c_contentSizeFlag, 1, "content size");
  set_parameter(context, ZSTD_c_checksumFlag, 0, "checksum");
  if (parameters) set_parameters(context, *parameters);
}

FrameCompressor::FrameCompressor(FrameCompressor&&) noexcept = default;
FrameCompressor& FrameCompressor::operator=(FrameCompressor&&) noexcept = default;
FrameCompressor::~FrameCompressor() = default;

void FrameCompressor::compress(util::Bytes in, util::Buffer& out) {
  const std::size_t bound = ZSTD_compressBound(in.size());
  if (impl_->room_size < bound) {
    impl_->room.reset(new std::uint8_t[bound]);
    impl_->room_size = bound;
  }
  const std::uint8_t* const room = impl_->room.get();
  const std::size_t result =
      ZSTD_compress2(impl_->context.get(), impl_->room.get(), bound, in.data(), in.size());
  if (ZSTD_isError(result) != 0)
    throw Error(ErrorCode::kInternal,
                concat("zstd: compress ", in.size(), " bytes: ", ZSTD_getErrorName(result)));
  out.assign(room, room + result);
}

void decompress_frame(util::Bytes stored, util::MutableBytes out, std::string_view name) {
  thread_local DecompressContext context;
  if (!context) context.reset(ZSTD_createDCtx());
  if (!context) throw std::bad_alloc();

  if (detect_compression(stored) != Compression::kZstd || stored[0] != 0x28)
    fail_frame(name, "no zstd magic number");
  const std::size_t length = ZSTD_findFrameCompressedSize(stored.data(), stored.size());
  if (ZSTD_isError(length) != 0) fail_frame(name, ZSTD_getErrorName(length));
  if (length != stored.size())
    fail_frame(name, concat("frame ends at byte ", length, " of ", stored.size()));
  const std::size_t result =
      ZSTD_decompressDCtx(context.get(), out.data(), out.size(), stored.data(), stored.size());
  if (ZSTD_isError(result) != 0) fail_frame(name, ZSTD_getErrorName(result));
  if (result != out.size()) fail_frame(name, concat(result, " bytes instead of ", out.size()));
}

struct ZstdDecompressSource::Impl {
  util::ByteSource& inner;
  std::string name;
  util::Buffer buffer;
  DecompressContext context;
  ZSTD_inBuffer input = {};
  std::uint64_t consumed = 0;  // bytes taken from inner
  bool inside_frame = false;   // a frame has begun and has not ended
  bool any_frame = false;
  bool input_ended = false;

  [[noreturn]] void fail(ErrorCode code, std::string_view reason) const {
    throw Error(code, concat(name, ": decompress zstd before byte ", consumed, ": ", reason));
  }

  void refill() {
    const std::size_t got = inner.read(buffer);
    input = {buffer.data(), got, 0};
    consumed += got;
    input_ended = got == 0;
  }

  // One call of the decoder: gives the bytes that it added to `out`.
  std::size_t step(util::MutableBytes out) {
    ZSTD_outBuffer output = {out.data(), out.size(), 0};
    const std::size_t position = input.pos;
    const std::size_t result = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(result) != 0) {
      const bool window = ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge;
      fail(window ? ErrorCode::kTooLarge : ErrorCode::kCorrupt, ZSTD_getErrorName(result));
    }
    // With nothing consumed and nothing produced, the result is only the decoder's wish for more.
    if (input.pos != position || output.pos > 0) {
      inside_frame = result != 0;
      any_frame = true;
    }
    return output.pos;
  }
};

ZstdDecompressSource::ZstdDecompressSource(util::ByteSource& inner, std::string name)
    : impl_(new Impl{inner, std::move(name), util::Buffer(kInputBufferSize),
                     DecompressContext(ZSTD_createDCtx())}) {
  if (!impl_->context) throw std::bad_alloc();
  ZSTD_DCtx_setParameter(impl_->context.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
}

ZstdDecompressSource::~ZstdDecompressSource() = default;

std::size_t ZstdDecompressSource::read(util::MutableBytes out) {
  Impl& impl = *impl_;
  for (;;) {
    // What the decoder still holds from a full output comes first, without new input.
    if (impl.inside_frame || impl.input.pos < impl.input.size) {
      const std::size_t got = impl.step(out);
      if (got > 0) return got;
    }
    if (impl.input.pos < impl.input.size) continue;
    if (!impl.input_ended) impl.refill();
    if (impl.input_ended) {
      if (!impl.any_frame) impl.fail(ErrorCode::kCorrupt, "no data");
      if (impl.inside_frame) impl.fail(ErrorCode::kCorrupt, "data ends too early");
      return 0;
    }
  }
}

}  // namespace ondemand::codec
