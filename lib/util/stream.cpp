// SPDX-License-Identifier: Apache-2.0
#include "util/stream.h"

#include <algorithm>
#include <cstring>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::util {

std::size_t FdRangeSource::read(MutableBytes out) {
  const std::size_t want =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), range_.len));
  if (want == 0) return 0;
  const std::size_t got = pread_some(fd_, out.first(want), range_.offset, name_);
  range_.offset += got;
  range_.len = got < want ? 0 : range_.len - got;
  return got;
}

std::size_t MemorySource::read(MutableBytes out) {
  const std::size_t len = std::min(out.size(), bytes_.size());
  if (len > 0) std::memcpy(out.data(), bytes_.data(), len);
  bytes_ = bytes_.subspan(len);
  return len;
}

Buffer read_all(ByteSource& source, std::uint64_t limit, std::string_view name) {
  Buffer out;
  Buffer piece(64 * kKiB);
  while (const std::size_t got = source.read(piece)) {
    if (out.size() + got > limit)
      throw Error(ErrorCode::kTooLarge, concat(name, ": read: longer than ", limit, " bytes"));
    out.insert(out.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
  return out;
}

std::size_t read_fully(ByteSource& source, MutableBytes out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t got = source.read(out.subspan(done));
    if (got == 0) break;
    done += got;
  }
  return done;
}

}  // namespace ondemand::util
