// SPDX-License-Identifier: Apache-2.0
#include "blob/frame.h"

#include <gtest/gtest.h>

#include "codec/zstd.h"
#include "hash/sha256.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blob {
namespace {

using util::ErrorCode;

const util::Buffer kView(5000, 'v');

util::Buffer zstd_frame() {
  util::Buffer stored;
  codec::FrameCompressor(3).compress(kView, stored);
  return stored;
}

// Of one frame that says of itself what is given here.
ChunkIndex index_of(StoredForm form, util::Bytes stored, std::uint64_t uncompressed_len) {
  ChunkIndex index;
  index.set_form(form);
  index.append(stored.size(), uncompressed_len, hash::sha256(stored));
  return index;
}

ErrorCode failure_of(const ChunkIndex& index, util::Bytes stored, std::string* message = nullptr) {
  try {
    open_frame(index, 0, stored, "blob");
  } catch (const util::Error& error) {
    if (message != nullptr) *message = error.message();
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

TEST(OpenFrame, GivesTheBytesOfTheView) {
  EXPECT_EQ(open_frame(index_of(StoredForm::kRaw, kView, kView.size()), 0, kView, ""), kView);
  const util::Buffer stored = zstd_frame();
  EXPECT_EQ(open_frame(index_of(StoredForm::kZstd, stored, kView.size()), 0, stored, ""), kView);
}

TEST(OpenFrame, LetsNoOtherBytesThrough) {
  for (const StoredForm form : {StoredForm::kRaw, StoredForm::kZstd}) {
    const util::Buffer stored = form == StoredForm::kRaw ? kView : zstd_frame();
    const ChunkIndex index = index_of(form, stored, kView.size());
    for (std::size_t i = 0; i < stored.size(); i += 7) {
      util::Buffer wrong = stored;
      wrong[i] ^= 1;
      EXPECT_EQ(failure_of(index, wrong), ErrorCode::kDigestMismatch) << i;
    }
    EXPECT_EQ(failure_of(index, util::Bytes(stored).first(stored.size() - 1)),
              ErrorCode::kDigestMismatch);
    EXPECT_EQ(failure_of(index, {}), ErrorCode::kDigestMismatch);
  }
}

TEST(OpenFrame, RefusesAFrameOfAnotherLengthThoughItsDigestIsRight) {
  EXPECT_EQ(failure_of(index_of(StoredForm::kRaw, kView, kView.size() - 1), kView),
            ErrorCode::kCorrupt);
  const util::Buffer stored = zstd_frame();
  for (const std::size_t len : {kView.size() - 1, kView.size() + 1})
    EXPECT_EQ(failure_of(index_of(StoredForm::kZstd, stored, len), stored), ErrorCode::kCorrupt);
}

TEST(OpenFrame, NamesTheBlobTheFrameAndItsPlace) {
  std::string message;
  failure_of(index_of(StoredForm::kRaw, kView, kView.size()), {}, &message);
  EXPECT_EQ(message,
            "blob: frame 0 at 0x0: verify: its bytes have another digest than the chunk index "
            "says");
}

}  // namespace
}  // namespace ondemand::blob
