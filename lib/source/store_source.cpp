// SPDX-License-Identifier: Apache-2.0
//
// A local store as a source.  Blobs are opened for each read: that costs microseconds beside the
// decompression that follows, and no descriptor is held however many blobs there are.
#include <algorithm>
#include <utility>

#include "oci/json.h"
#include "source/source.h"
#include "store/store.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::source {
namespace {

using util::Error;
using util::ErrorCode;

class StoreSource final : public Source {
 public:
  explicit StoreSource(store::Store store)
      : store_(std::move(store)), name_(util::printable(store_.path().string())) {}

  const std::string& name() const override { return name_; }
  std::optional<ManifestBytes> find_manifest(std::string_view reference,
                                             Deadline deadline) override;
  bool read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                 Deadline deadline) override;
  bool copy_blob(const hash::Digest& blob, std::uint64_t size, util::ByteSink& sink,
                 std::chrono::milliseconds stall_timeout) override;

 private:
  const store::Store store_;
  const std::string name_;
};

std::optional<ManifestBytes> StoreSource::find_manifest(std::string_view reference, Deadline) {
  const auto descriptor = store_.resolve(reference);
  if (!descriptor || !store_.has_blob(descriptor->digest)) return std::nullopt;
  return ManifestBytes{store_.read_small_blob(descriptor->digest, oci::kMaxManifestBytes),
                       descriptor->digest};
}

bool StoreSource::read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                            Deadline) {
  if (!store_.has_blob(blob)) return false;
  const auto open = store_.open_blob(blob);
  if (offset > open.size || out.size() > open.size - offset)
    throw Error(ErrorCode::kCorrupt, util::concat(name_, ": read ", blob.to_string(), ": has ",
                                                  open.size, " bytes, less than the range needs"));
  util::pread_full(open.fd.get(), out, offset, name_);
  return true;
}

bool StoreSource::copy_blob(const hash::Digest& blob, std::uint64_t size, util::ByteSink& sink,
                            std::chrono::milliseconds) {
  if (!store_.has_blob(blob)) return false;
  const auto open = store_.open_blob(blob);
  if (open.size != size)
    throw Error(ErrorCode::kCorrupt, util::concat(name_, ": read ", blob.to_string(), ": has ",
                                                  open.size, " bytes in place of ", size));
  util::Buffer buffer(std::min<std::uint64_t>(size, util::kMiB));
  for (std::uint64_t offset = 0; offset < size;) {
    const std::size_t part = std::min<std::uint64_t>(buffer.size(), size - offset);
    util::pread_full(open.fd.get(), {buffer.data(), part}, offset, name_);
    sink.write({buffer.data(), part});
    offset += part;
  }
  return true;
}

}  // namespace

std::unique_ptr<Source> open_store_source(const std::string& directory) {
  return std::make_unique<StoreSource>(store::Store::open(directory));
}

}  // namespace ondemand::source
