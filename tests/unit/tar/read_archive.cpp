// SPDX-License-Identifier: Apache-2.0
#include "unit/tar/read_archive.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tar/tar_reader.h"

namespace ondemand::tar {

namespace {

class StepSource : public util::ByteSource {
 public:
  StepSource(std::string_view bytes, std::size_t step) : bytes_(bytes), step_(step) {}
  std::size_t read(util::MutableBytes out) override {
    const std::size_t len = std::min({out.size(), step_, bytes_.size()});
    std::copy_n(bytes_.begin(), len, out.begin());
    bytes_.remove_prefix(len);
    return len;
  }

 private:
  std::string_view bytes_;
  std::size_t step_;
};

}  // namespace

std::vector<ReadEntry> read_archive(std::string_view archive, std::size_t step) {
  StepSource source(archive, step);
  TarReader reader(source, "a.tar");
  std::vector<ReadEntry> entries;
  ReadEntry read;
  while (reader.next(read.entry)) {
    const bool is_small = read.entry.size <= (64u << 20);
    read.data.assign(is_small ? read.entry.size : 0, '\0');
    read.pieces.clear();
    read.stored = 0;
    DataBlock block;
    while (reader.read_block(block)) {
      read.stored += block.bytes.size();
      if (is_small) read.data.replace(block.offset, block.bytes.size(), util::as_text(block.bytes));
      if (!read.pieces.empty() &&
          read.pieces.back().first + read.pieces.back().second == block.offset)
        read.pieces.back().second += block.bytes.size();
      else
        read.pieces.emplace_back(block.offset, block.bytes.size());
    }
    entries.push_back(read);
  }
  return entries;
}

ReadEntry read_one(std::string_view archive) {
  std::vector<ReadEntry> entries = read_archive(archive);
  EXPECT_EQ(entries.size(), 1u);
  return entries.empty() ? ReadEntry{} : entries[0];
}

util::Error read_error(std::string_view archive) {
  try {
    read_archive(archive);
  } catch (const util::Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return {util::ErrorCode::kInternal, ""};
}

}  // namespace ondemand::tar
