// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/read_loop.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "support/simulate/cache.h"
#include "support/simulate/hole.h"

namespace ondemand::simulate {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kWindow = 65536;

// The cache, or the object in it, is gone or was never there.
int no_object_error(const Core& core) {
  return core.traits.has_series ? EIO : ENOBUFS;
}

bool is_in_service(const Object& object) {
  return object.look_up == Object::LookUp::kReady && !object.is_withdrawn;
}

struct Piece {
  int error = 0;
  std::uint64_t len = 0;  // that is data now
};

// Finds data at `offset`; asks the daemon once if there is none.
Piece prepare_read(Lock& lock, const std::shared_ptr<Object>& object, std::uint64_t offset,
                   std::uint64_t len, const KillFlag* kill) {
  const std::shared_ptr<Cache> cache = object->volume->cache;
  const std::shared_ptr<util::Fd> file = object->file;
  for (bool asked = false;; asked = true) {
    const Probe probe = probe_file(file->get(), offset, len);
    if (probe.kind == Probe::Kind::kData) return {0, probe.len};
    if (probe.kind == Probe::Kind::kError || asked) return {EIO, 0};
    len = probe.len;
    const int error = cache->ask_data(lock, object, offset, len, kill);
    if (error != 0) return {error == EINTR ? EINTR : EIO, 0};
  }
}

// One window: [offset, offset + out.size()), whole pages.
int read_window(Lock& lock, Core& core, const std::shared_ptr<Object>& object, std::uint64_t offset,
                util::MutableBytes out, const KillFlag* kill) {
  while (!out.empty()) {
    if (!is_in_service(*object)) return no_object_error(core);
    const std::shared_ptr<util::Fd> file = object->file;
    const Piece piece = prepare_read(lock, object, offset, out.size(), kill);
    if (piece.error != 0) return piece.error;
    const ssize_t got = ::pread(file->get(), out.data(), piece.len, static_cast<off_t>(offset));
    if (got != static_cast<ssize_t>(piece.len)) return EIO;
    offset += piece.len;
    out = out.subspan(piece.len);
  }
  return 0;
}

}  // namespace

ReadResult read_object(Lock& lock, Core& core, const std::shared_ptr<Object>& object,
                       std::uint64_t offset, std::uint64_t len, const KillFlag* kill) {
  if (!core.wait(lock, kill, [&] { return object->look_up != Object::LookUp::kPending; }))
    return {EINTR, {}};
  if (!is_in_service(*object)) return {no_object_error(core), {}};
  ReadResult result;
  if (offset >= object->size) return result;
  len = std::min(len, object->size - offset);
  result.bytes.reserve(len);
  const std::uint64_t end = offset + len;
  util::Buffer window;
  for (std::uint64_t at = offset / kPage * kPage; at < end;) {
    const std::uint64_t stop =
        std::min((at / kWindow + 1) * kWindow, (end + kPage - 1) / kPage * kPage);
    window.assign(stop - at, 0);
    result.error = read_window(lock, core, object, at, window, kill);
    if (result.error != 0) {
      result.bytes.clear();
      return result;
    }
    const std::uint64_t from = std::max(at, offset);
    const std::uint64_t to = std::min(stop, end);
    result.bytes.insert(result.bytes.end(), window.begin() + static_cast<std::ptrdiff_t>(from - at),
                        window.begin() + static_cast<std::ptrdiff_t>(to - at));
    at = stop;
  }
  return result;
}

}  // namespace ondemand::simulate
