// SPDX-License-Identifier: Apache-2.0
//
// Random reading of a data blob's kernel view from its stored form.  No byte is handed on before
// it has been verified: frame by frame against the chunk index, or, without a usable index, as a
// whole when the blob is opened.
//
// Thread: one user at a time.  Throws kDigestMismatch, kCorrupt, kNotFound, and what reading the
// stored bytes throws; messages name the blob, the frame and where it lies.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "blob/chunk_index.h"
#include "util/bytes.h"
#include "util/fd.h"
#include "util/units.h"
#include "view/frame_cache.h"

namespace ondemand::view {

// Receives consecutive pieces.
using UseBytes = std::function<void(util::Bytes)>;

class KernelView {
 public:
  virtual ~KernelView() = default;
  // Unit: bytes.  The blob may end inside a block; the kernel reads zeros behind it.
  virtual std::uint64_t size() const = 0;
  // The bytes of a range, zeros behind the end of the blob.  Throws kCorrupt when it begins or ends
  // beyond the last block.
  void read(util::ByteRange range, const UseBytes& use);
  const std::string& name() const { return name_; }

 protected:
  explicit KernelView(std::string name) : name_(std::move(name)) {}

 private:
  // Range: inside size().
  virtual void read_inside(util::ByteRange range, const UseBytes& use) = 0;
  std::string name_;
};

// Fills `out` with the stored bytes from `offset` on, exactly, or throws.
using ReadStored = std::function<void(std::uint64_t offset, util::MutableBytes out)>;

class FramedView : public KernelView {
 public:
  // `number` tells this blob from others in the cache, which is borrowed.
  FramedView(blob::ChunkIndex index, ReadStored read, std::string name, std::uint32_t number,
             FrameCache& cache);
  std::uint64_t size() const override { return index_.uncompressed_size(); }

 private:
  void read_inside(util::ByteRange range, const UseBytes& use) override;
  blob::ChunkIndex index_;
  ReadStored read_;
  std::uint32_t number_;
  FrameCache& cache_;
  util::Buffer stored_;
};

// A kernel view that lies verified in a file of ours.  Owns the descriptor.
class PlainView : public KernelView {
 public:
  PlainView(util::Fd fd, std::uint64_t size, std::string name)
      : KernelView(std::move(name)), fd_(std::move(fd)), size_(size) {}
  std::uint64_t size() const override { return size_; }

 private:
  void read_inside(util::ByteRange range, const UseBytes& use) override;
  util::Fd fd_;
  std::uint64_t size_;
};

}  // namespace ondemand::view
