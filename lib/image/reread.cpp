// SPDX-License-Identifier: Apache-2.0
#include "image/reread.h"

#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "input/spool.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::image {

using util::concat;
using util::Error;
using util::ErrorCode;

Reread::Reread(input::ImageInput& input, const std::filesystem::path& temporary,
               std::uint64_t max_bytes)
    : input_(input) {
  if (input.rootfs_file) state_ = state();
  if (input.layers.size() != 1 || input.layers.front().can_reopen) return;
  input::Layer& layer = input.layers.front();
  auto fd = std::make_shared<util::Fd>(input::open_unlinked_file(temporary));
  const auto source = layer.open_stored();
  util::Buffer piece(std::size_t{util::kMiB});
  std::uint64_t size = 0;
  while (const std::size_t got = source->read(piece)) {
    util::write_full(fd->get(), util::Bytes(piece).first(got), layer.name);
    size += got;
    if (size > max_bytes)
      throw Error(ErrorCode::kTooLarge, concat(layer.name, ": keep a copy: more than ", max_bytes,
                                               " bytes; --max-bytes allows more"));
  }
  layer.open_stored = [fd, size, name = layer.name] {
    return std::make_unique<util::FdRangeSource>(fd->get(), util::ByteRange{0, size}, name);
  };
  layer.can_reopen = true;
}

void Reread::check_unchanged() const {
  if (!state_ || *state_ == state()) return;
  throw Error(ErrorCode::kIo, concat(input_.name, ": read again: changed while it was read"));
}

Reread::FileState Reread::state() const {
  struct stat status {};
  if (::fstat(input_.rootfs_file->get(), &status) != 0)
    throw util::errno_error(input_.name, "read its status", errno);
  return {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
          status.st_ctim.tv_nsec};
}

}  // namespace ondemand::image
