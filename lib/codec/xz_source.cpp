// SPDX-License-Identifier: Apache-2.0
#include "codec/xz_source.h"

#include <lzma.h>

#include <utility>

#include "codec/decompress.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::codec {

namespace {

class XzSource : public util::ByteSource {
 public:
  XzSource(util::ByteSource& inner, std::string name)
      : inner_(inner), name_(std::move(name)), input_(kInputBufferSize) {
    if (lzma_stream_decoder(&stream_, kMaxXzMemory, LZMA_CONCATENATED) != LZMA_OK)
      throw util::Error(util::ErrorCode::kInternal, name_ + ": decompress xz: cannot start");
  }
  XzSource(const XzSource&) = delete;
  XzSource& operator=(const XzSource&) = delete;
  ~XzSource() override { lzma_end(&stream_); }

  std::size_t read(util::MutableBytes out) override {
    stream_.next_out = out.data();
    stream_.avail_out = out.size();
    while (!done_ && stream_.avail_out == out.size())
      step();
    return out.size() - stream_.avail_out;
  }

 private:
  void step() {
    if (stream_.avail_in == 0 && !input_ended_) {
      stream_.next_in = input_.data();
      stream_.avail_in = inner_.read(input_);
      consumed_ += stream_.avail_in;
      input_ended_ = stream_.avail_in == 0;
    }
    const lzma_ret result = lzma_code(&stream_, input_ended_ ? LZMA_FINISH : LZMA_RUN);
    switch (result) {
      case LZMA_OK:
        return;
      case LZMA_STREAM_END:
        done_ = true;
        return;
      case LZMA_BUF_ERROR:
        fail(util::ErrorCode::kCorrupt, "data ends too early");
      case LZMA_FORMAT_ERROR:
        fail(util::ErrorCode::kCorrupt, "invalid xz header");
      case LZMA_OPTIONS_ERROR:
        fail(util::ErrorCode::kUnsupported, "unknown xz options");
      case LZMA_MEMLIMIT_ERROR:
        fail(util::ErrorCode::kTooLarge, "dictionary needs more memory than allowed");
      default:
        fail(util::ErrorCode::kCorrupt, "xz data is damaged");
    }
  }

  [[noreturn]] void fail(util::ErrorCode code, const char* reason) const {
    throw util::Error(code,
                      util::concat(name_, ": decompress xz before byte ", consumed_, ": ", reason));
  }

  util::ByteSource& inner_;
  std::string name_;
  util::Buffer input_;
  lzma_stream stream_ = {};
  std::uint64_t consumed_ = 0;  // bytes taken from inner_
  bool input_ended_ = false;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<util::ByteSource> make_xz_source(util::ByteSource& inner, std::string name) {
  return std::make_unique<XzSource>(inner, std::move(name));
}

}  // namespace ondemand::codec
