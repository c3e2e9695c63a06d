// SPDX-License-Identifier: Apache-2.0
#include "util/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>

#include "util/error.h"
#include "util/fd.h"

namespace ondemand::util {

MappedFile::MappedFile(int fd, std::string_view name) {
  const std::uint64_t size = file_size(fd, name);
  if (size == 0) return;  // mmap refuses an empty range
  void* const start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (start == MAP_FAILED) throw errno_error(name, "map", errno);
  bytes_ = Bytes(static_cast<const std::uint8_t*>(start), size);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

void MappedFile::release_pages() const {
  // A shared mapping has nothing to lose.  What fails costs memory and nothing else.
  if (!bytes_.empty())
    ::madvise(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
}

}  // namespace ondemand::util
