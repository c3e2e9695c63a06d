// SPDX-License-Identifier: Apache-2.0
#include "cache/fetch.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "cache/backing_file.h"
#include "codec/decompress.h"
#include "hash/sha256.h"
#include "util/align.h"
#include "util/endian.h"
#include "util/error.h"
#include "util/stream.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

using util::Error;
using util::ErrorCode;

constexpr std::size_t kCopyBytes = 256 * 1024;
constexpr std::size_t kRangeBytes = 4 * 1024 * 1024;  // of one request for an embedded index

// Source: RFC 8878 section 3.1.2: magic 0x184D2A50 ... 0x184D2A5F, size, content.
struct SkippableHeader {
  util::Le32 magic;
  util::Le32 size;
};
constexpr std::uint32_t kSkippableMagic = 0x184D2A50;

// Writes to a file what passes and digests it; refuses more than `limit` bytes.
class VerifyingSink : public util::ByteSink {
 public:
  VerifyingSink(int fd, std::uint64_t limit, std::string name)
      : fd_(fd), limit_(limit), name_(std::move(name)) {}

  void write(util::Bytes bytes) override {
    if (bytes.size() > limit_ - size_)
      throw Error(ErrorCode::kTooLarge,
                  util::concat(name_, ": fetch: is longer than ", limit_, " bytes"));
    size_ += bytes.size();
    sha_.update(bytes);
    util::write_full(fd_, bytes, name_);
  }
  std::uint64_t size() const { return size_; }
  hash::Digest finish() { return sha_.finish(); }

 private:
  int fd_;
  std::uint64_t limit_;
  std::string name_;
  std::uint64_t size_ = 0;
  hash::Sha256 sha_;
};

[[noreturn]] void not_here(const FetchContext& context, const std::string& name) {
  throw Error(ErrorCode::kNotFound,
              util::concat(name, ": fetch: ", context.source.name(), " does not have it"));
}

void check_digest(const hash::Digest& found, const hash::Digest& expected, const char* action,
                  const FetchContext& context, const std::string& name) {
  if (found == expected) return;
  throw Error(
      ErrorCode::kDigestMismatch,
      util::concat(name, ": ", action, ": ", context.source.name(), " gave bytes of digest ",
                   found.to_string(), ", expected ", expected.to_string()));
}

// Stored bytes of a whole blob into a temporary file, verified.
util::AtomicFile fetch_stored(const FetchContext& context, const oci::Descriptor& descriptor,
                              const std::string& name) {
  util::AtomicFile file(context.temporary_directory, kBackingMode);
  VerifyingSink sink(file.fd(), descriptor.size, name);
  if (!context.source.copy_blob(descriptor.digest, descriptor.size, sink, context.stall_timeout))
    not_here(context, name);
  if (sink.size() != descriptor.size)
    throw Error(ErrorCode::kCorrupt,
                util::concat(name, ": fetch: ", context.source.name(), " gave ", sink.size(),
                             " bytes of ", descriptor.size));
  check_digest(sink.finish(), descriptor.digest, "verify", context, name);
  return file;
}

void pad(int fd, std::uint64_t from, std::uint64_t to, const std::string& name) {
  const util::Buffer zeros(static_cast<std::size_t>(to - from));  // below one block
  util::pwrite_full(fd, zeros, from, name);
}

util::Buffer fetch_standalone(const FetchContext& context, const oci::Descriptor& descriptor,
                              const std::string& name) {
  util::BufferSink sink;
  if (!context.source.copy_blob(descriptor.digest, descriptor.size, sink, context.stall_timeout))
    not_here(context, name);
  return std::move(sink.buffer);
}

void read_range(const FetchContext& context, const hash::Digest& blob, std::uint64_t offset,
                util::MutableBytes out, const std::string& name) {
  for (std::size_t at = 0; at < out.size(); at += kRangeBytes) {
    const std::size_t len = std::min(kRangeBytes, out.size() - at);
    const auto deadline = std::chrono::steady_clock::now() + context.request_timeout;
    if (!context.source.read_blob(blob, offset + at, out.subspan(at, len), deadline))
      not_here(context, name);
  }
}

// Where the payload of an embedded index lies.  Throws kCorrupt for a range outside of the blob.
util::ByteRange embedded_payload(const FetchContext& context, const oci::DeviceBlob& device,
                                 const std::string& name) {
  const std::uint64_t blob_size = device.descriptor.size;
  util::ByteRange range = device.embedded_index->range;
  if (range.offset > blob_size || range.len > blob_size - range.offset)
    throw Error(ErrorCode::kCorrupt, util::concat(name, ": check: its range is not in the blob"));
  if (range.len == 0) range.len = blob_size - range.offset;
  if (device.framing == oci::Framing::kRaw) return range;
  SkippableHeader header{};
  if (range.len < sizeof header)
    throw Error(ErrorCode::kCorrupt, util::concat(name, ": check: its range is too short"));
  std::array<std::uint8_t, sizeof header> bytes{};
  read_range(context, device.descriptor.digest, range.offset, bytes, name);
  std::memcpy(&header, bytes.data(), sizeof header);
  if ((header.magic & 0xFFFFFFF0U) != kSkippableMagic || header.size > range.len - sizeof header)
    throw Error(ErrorCode::kCorrupt, util::concat(name, ": check: no skippable frame at offset 0x",
                                                  util::to_hex(range.offset)));
  return {range.offset + sizeof header, header.size};
}

}  // namespace

FetchedObject fetch_object(const FetchContext& context, const oci::Descriptor& descriptor,
                           oci::Framing framing, const std::optional<hash::Digest>& expected,
                           std::uint64_t limit, const std::string& name) {
  // Said beforehand where that can be: a lying size must not fill the disk.
  // A stored form may be somewhat longer than what it means: frames that do not compress, an index.
  if (descriptor.size > limit + limit / 16)
    throw Error(ErrorCode::kTooLarge, util::concat(name, ": fetch: has ", descriptor.size,
                                                   " bytes, the limit is ", limit));
  util::AtomicFile stored = fetch_stored(context, descriptor, name);
  std::uint64_t size = descriptor.size;
  hash::Digest digest = descriptor.digest;
  std::optional<util::AtomicFile> view;
  if (framing == oci::Framing::kZstd) {
    view.emplace(context.temporary_directory, kBackingMode);
    util::FdRangeSource inner(stored.fd(), {0, descriptor.size}, name);
    const auto plain = codec::make_decompressor(codec::Compression::kZstd, inner, name);
    VerifyingSink sink(view->fd(), limit, name);
    util::Buffer buffer(kCopyBytes);
    while (const std::size_t len = plain->read(buffer))
      sink.write(util::Bytes(buffer).first(len));
    size = sink.size();
    digest = sink.finish();
  }
  if (expected) check_digest(digest, *expected, "verify uncompressed", context, name);
  util::AtomicFile& file = view ? *view : stored;
  const std::uint64_t padded = util::round_up(size, kBackingAlignment);
  if (padded > size) pad(file.fd(), size, padded, name);
  return FetchedObject{std::move(file), padded, digest};
}

std::optional<util::Buffer> fetch_chunk_index(const FetchContext& context,
                                              const oci::DeviceBlob& device,
                                              const std::string& name) {
  util::Buffer payload;
  hash::Digest expected;
  if (device.standalone_index) {
    expected = device.standalone_index->digest;
    if (device.standalone_index->size > kMaxChunkIndexBytes) return std::nullopt;
    payload = fetch_standalone(context, *device.standalone_index, name);
  } else if (device.embedded_index && device.embedded_index->payload_digest) {
    expected = *device.embedded_index->payload_digest;
    const util::ByteRange range = embedded_payload(context, device, name);
    if (range.len > kMaxChunkIndexBytes) return std::nullopt;
    payload.resize(static_cast<std::size_t>(range.len));
    read_range(context, device.descriptor.digest, range.offset, payload, name);
  } else {
    return std::nullopt;
  }
  check_digest(hash::sha256(payload), expected, "verify", context, name);
  return payload;
}

}  // namespace ondemand::cache
