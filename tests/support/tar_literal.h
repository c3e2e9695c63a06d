// SPDX-License-Identifier: Apache-2.0
//
// Tar archives spelled out block by block, for headers that no program writes on demand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ondemand::testing_support {

struct TarHeader {
  std::string path = "file";
  char type = '0';
  std::uint64_t size = 0;
  std::string link;
  std::uint32_t mode = 0644;
  std::string magic{"ustar\00000", 8};  // magic and version
  // Overwrites bytes at an offset before the checksum is made.
  std::vector<std::pair<std::size_t, std::string>> patches;
};

// One header block with a right checksum.
std::string tar_block(const TarHeader& header);
// Header, data and padding.
std::string tar_member(TarHeader header, std::string_view data = {});
// One pax record with its length.
std::string pax_record(std::string_view key, std::string_view value);
// An extended header ('x' or 'g') of records.
std::string pax_member(std::string_view records, char type = 'x');
// The two zero blocks.
std::string tar_end();

// A temporary directory that goes with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Runs a command with the shell in `directory`; true when it exits with 0.
bool run_in(const std::string& directory, const std::string& command);

}  // namespace ondemand::testing_support
