// SPDX-License-Identifier: Apache-2.0
#include "blobctl/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>

#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::blobctl {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const std::string name = util::printable(path.native());
  const util::Fd fd = util::open_file(path, O_RDONLY);
  const auto size = static_cast<std::size_t>(util::file_size(fd.get(), name));
  if (size == 0) return;  // mmap(2) takes no empty file
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (memory == MAP_FAILED) throw util::errno_error(name, "map", errno);
  bytes_ = util::Bytes(static_cast<const std::uint8_t*>(memory), size);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty())
    ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());  // NOLINT: it was ours
}

}  // namespace ondemand::blobctl
