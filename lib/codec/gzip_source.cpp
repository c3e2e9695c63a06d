// SPDX-License-Identifier: Apache-2.0
#include "codec/gzip_source.h"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "codec/decompress.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::codec {

namespace {

const char* reason_of(int result) {
  switch (result) {
    case ISAL_INVALID_BLOCK:
      return "invalid deflate block";
    case ISAL_INVALID_SYMBOL:
      return "invalid deflate symbol";
    case ISAL_INVALID_LOOKBACK:
      return "deflate distance points before the data";
    case ISAL_INVALID_WRAPPER:
      return "invalid gzip header";
    case ISAL_UNSUPPORTED_METHOD:
      return "gzip method is not deflate";
    case ISAL_INCORRECT_CHECKSUM:
      return "gzip checksum does not match";
    default:
      return "gzip data is damaged";
  }
}

class GzipSource : public util::ByteSource {
 public:
  GzipSource(util::ByteSource& inner, std::string name)
      : inner_(inner), name_(std::move(name)), input_(kInputBufferSize) {}

  std::size_t read(util::MutableBytes out) override {
    while (!done_) {
      if (!in_member_ && !begin_member()) break;
      if (in_header_) read_header();
      if (const std::size_t got = inflate(out); got > 0) return got;
    }
    return 0;
  }

 private:
  [[noreturn]] void fail(const char* reason) const {
    throw util::Error(
        util::ErrorCode::kCorrupt,
        util::concat(name_, ": decompress gzip before byte ", consumed_, ": ", reason));
  }

  // False at the end of the input.
  bool refill() {
    const std::size_t got = inner_.read(input_);
    state_->next_in = input_.data();
    state_->avail_in = static_cast<std::uint32_t>(got);
    consumed_ += got;
    return got > 0;
  }

  // Stands between two members: skips zero padding and looks for the next magic number, of which
  // the decoder itself checks the second byte.  False when there is no further member.
  bool begin_member() {
    for (;;) {
      while (state_->avail_in > 0 && *state_->next_in == 0 && members_ > 0) {
        padded_ = true;
        ++state_->next_in;
        --state_->avail_in;
      }
      if (state_->avail_in > 0) break;
      if (!refill()) {
        if (members_ == 0) fail("no data");
        done_ = true;
        return false;
      }
    }
    if (*state_->next_in != 0x1F || padded_)
      fail(members_ == 0 ? "invalid gzip header" : "something else follows the gzip data");
    std::uint8_t* const next_in = state_->next_in;
    const std::uint32_t avail_in = state_->avail_in;
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP_NO_HDR_VER;  // the header is read apart, the trailer is checked
    state_->next_in = next_in;
    state_->avail_in = avail_in;
    isal_gzip_header_init(&header_);
    in_member_ = true;
    in_header_ = true;
    ++members_;
    return true;
  }

  // isal_inflate can read headers as well, but ISA-L 2.30 keeps their flags on its stack: a header
  // that comes in two pieces would be read on with whatever stands there.
  void read_header() {
    for (;;) {
      const bool at_end = state_->avail_in == 0 && !refill();
      const int result = isal_read_gzip_header(state_.get(), &header_);
      if (result == ISAL_DECOMP_OK) break;
      if (result < 0) fail(reason_of(result));
      if (at_end) fail("data ends too early");
    }
    in_header_ = false;
  }

  // Runs the decoder until it gave some bytes or its member ended; may return 0 then.
  std::size_t inflate(util::MutableBytes out) {
    // The decoder counts in 32 bits.
    const auto room = static_cast<std::uint32_t>(std::min<std::size_t>(out.size(), 1u << 30));
    state_->next_out = out.data();
    state_->avail_out = room;
    while (state_->avail_out == room) {
      const bool at_end = state_->avail_in == 0 && !refill();
      const int result = isal_inflate(state_.get());
      if (result < 0) fail(reason_of(result));
      if (result == ISAL_NEED_DICT) fail("gzip data asks for a dictionary");
      if (state_->block_state == ISAL_BLOCK_FINISH) {
        in_member_ = false;
        break;
      }
      if (at_end && state_->avail_out == room) fail("data ends too early");
    }
    return room - state_->avail_out;
  }

  util::ByteSource& inner_;
  std::string name_;
  util::Buffer input_;
  std::unique_ptr<inflate_state> state_ = std::make_unique<inflate_state>();  // zeroed; 80 KiB
  isal_gzip_header header_{};   // of the member that is read; no buffers: its fields are skipped
  std::uint64_t consumed_ = 0;  // bytes taken from inner_
  std::uint64_t members_ = 0;   // begun so far
  bool in_member_ = false;
  bool in_header_ = false;
  bool padded_ = false;  // zeros were seen behind a member: only zeros may follow
  bool done_ = false;
};

}  // namespace

std::unique_ptr<util::ByteSource> make_gzip_source(util::ByteSource& inner, std::string name) {
  return std::make_unique<GzipSource>(inner, std::move(name));
}

}  // namespace ondemand::codec
