// SPDX-License-Identifier: Apache-2.0
#include "view/blob_check.h"

#include <algorithm>

#include "blob/frame.h"
#include "hash/sha256.h"
#include "util/error.h"
#include "util/text.h"
#include "view/image_view.h"

namespace ondemand::view {

namespace {

using util::concat;
using util::Error;

constexpr std::chrono::seconds kStallTimeout{60};

void add(BlobFacts& facts, std::string defect) {
  if (facts.defects.size() > kMaxDefects) return;
  if (facts.defects.size() == kMaxDefects) defect = "more defects of this object are not listed";
  facts.defects.push_back(std::move(defect));
}

// Digests what passes and, given an index, decodes every frame of it.
class CheckingSink : public util::ByteSink {
 public:
  CheckingSink(const blob::ChunkIndex* index, const std::string& name, BlobFacts& facts)
      : index_(index), name_(name), facts_(facts) {}

  void write(util::Bytes bytes) override {
    stored_.update(bytes);
    const std::uint64_t begin = facts_.stored_size;
    facts_.stored_size += bytes.size();
    while (index_ != nullptr && next_ < index_->size()) {
      const util::ByteRange range = index_->frame(next_).stored;
      const std::uint64_t from = range.offset + frame_.size();
      if (from >= begin + bytes.size()) return;
      const util::Bytes rest = bytes.subspan(static_cast<std::size_t>(from - begin));
      const std::size_t len =
          static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), range.end() - from));
      frame_.insert(frame_.end(), rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(len));
      if (frame_.size() < range.len) return;
      take_frame();
    }
  }

  void finish(const oci::Descriptor& descriptor) {
    const hash::Digest digest = stored_.finish();
    if (digest != descriptor.digest)
      add(facts_, concat(name_, ": verify: its bytes have the digest ", digest.to_string()));
    if (index_ == nullptr) return;
    if (next_ < index_->size())
      add(facts_, concat(name_, ": read: ends in or before frame ", next_));
    else if (all_right_)
      facts_.view_digest = view_.finish();
    // What is not compressed has its own bytes, an index among them, for its uncompressed ones.
    facts_.uncompressed_digest =
        index_->form() == blob::StoredForm::kRaw ? digest : facts_.view_digest;
  }

 private:
  void take_frame() {
    try {
      view_.update(blob::open_frame(*index_, next_, frame_, name_));
    } catch (const Error& error) {
      all_right_ = false;
      add(facts_, error.message());
    }
    ++facts_.frames;
    ++next_;
    frame_.clear();
  }

  const blob::ChunkIndex* index_;
  const std::string& name_;
  BlobFacts& facts_;
  hash::Sha256 stored_;
  hash::Sha256 view_;
  util::Buffer frame_;
  std::size_t next_ = 0;
  bool all_right_ = true;
};

void pass_through(source::Source& source, const oci::Descriptor& descriptor,
                  const blob::ChunkIndex* index, const std::string& name, BlobFacts& facts) {
  try {
    CheckingSink sink(index, name, facts);
    if (source.copy_blob(descriptor.digest, descriptor.size, sink, kStallTimeout))
      sink.finish(descriptor);
    else
      add(facts, concat(name, ": read: ", source.name(), " does not have it"));
  } catch (const Error& error) {
    add(facts, error.with_context(name).message());
  }
}

// Readers may take either; both must lead to the same bytes, however they cut them.
void check_second_index(source::Source& source, oci::DeviceBlob device, const std::string& name,
                        BlobFacts& facts) {
  device.standalone_index.reset();
  const std::string what = concat(name, ": index in the blob");
  BlobFacts second;
  try {
    const auto index = fetch_index(source, device, what);
    if (!index) return;
    pass_through(source, device.descriptor, &*index, what, second);
  } catch (const Error& error) {
    add(facts, error.message());
    return;
  }
  for (std::string& defect : second.defects)
    add(facts, std::move(defect));
  if (second.defects.empty() && facts.view_digest && second.view_digest != facts.view_digest)
    add(facts, concat(what, ": verify: leads to other bytes than the one beside the blob"));
}

}  // namespace

BlobFacts check_object(source::Source& source, const oci::Descriptor& descriptor,
                       const std::string& name) {
  BlobFacts facts;
  pass_through(source, descriptor, nullptr, name, facts);
  return facts;
}

BlobFacts check_blob(source::Source& source, const oci::DeviceBlob& device, std::uint64_t limit,
                     const std::filesystem::path& temporary, const std::string& name) {
  BlobFacts facts;
  std::optional<blob::ChunkIndex> index;
  try {
    index = fetch_index(source, device, name);
  } catch (const Error& error) {
    add(facts, error.message());
  }
  if (index) {
    pass_through(source, device.descriptor, &*index, name, facts);
    facts.view_size = index->uncompressed_size();
    if (device.standalone_index && device.embedded_index)
      check_second_index(source, device, name, facts);
  } else if (limit == 0 && device.framing == oci::Framing::kZstd) {
    pass_through(source, device.descriptor, nullptr, name, facts);
  } else {
    try {
      const WholeObject whole =
          fetch_whole(source, device.descriptor, device.framing, {}, temporary, limit, name);
      facts.stored_size = device.descriptor.size;
      facts.view_size = whole.size;
      facts.uncompressed_digest = whole.uncompressed_digest;
    } catch (const Error& error) {
      add(facts, error.message());
    }
  }
  if (facts.uncompressed_digest && device.uncompressed_digest &&
      *facts.uncompressed_digest != *device.uncompressed_digest)
    add(facts, concat(name, ": verify: its uncompressed bytes have the digest ",
                      facts.uncompressed_digest->to_string(), ", the manifest says ",
                      device.uncompressed_digest->to_string()));
  return facts;
}

}  // namespace ondemand::view
