// SPDX-License-Identifier: Apache-2.0
#include "support/tar_literal.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace ondemand::testing_support {

namespace {

void put(std::string& block, std::size_t offset, std::string_view text) {
  block.replace(offset, text.size(), text);
}

std::string octal(std::uint64_t value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
  return text;
}

std::string padded(std::string_view data) {
  std::string out(data);
  out.resize((data.size() + 511) / 512 * 512);
  return out;
}

}  // namespace

std::string tar_block(const TarHeader& header) {
  std::string block(512, '\0');
  put(block, 0, std::string_view(header.path).substr(0, 100));
  put(block, 100, octal(header.mode, 7));
  put(block, 108, octal(0, 7));
  put(block, 116, octal(0, 7));
  put(block, 124, octal(header.size, 11));
  put(block, 136, octal(1000, 11));
  block[156] = header.type;
  put(block, 157, std::string_view(header.link).substr(0, 100));
  put(block, 257, header.magic);
  for (const auto& patch : header.patches)
    put(block, patch.first, patch.second);
  put(block, 148, "        ");
  unsigned sum = 0;
  for (const char c : block)
    sum += static_cast<unsigned char>(c);
  put(block, 148, octal(sum, 6) + std::string("\0 ", 2));
  return block;
}

std::string tar_member(TarHeader header, std::string_view data) {
  if (!data.empty()) header.size = data.size();
  return tar_block(header) + padded(data);
}

std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t len = rest + 1;
  while (std::to_string(len).size() + rest != len)
    ++len;
  return std::to_string(len) + ' ' + std::string(key) + '=' + std::string(value) + '\n';
}

std::string pax_member(std::string_view records, char type) {
  TarHeader header;
  header.path = "PaxHeaders/x";
  header.type = type;
  return tar_member(header, records);
}

std::string tar_end() {
  return std::string(1024, '\0');
}

TemporaryDirectory::TemporaryDirectory()
    : path_((std::filesystem::temp_directory_path() / "ondemand-test-XXXXXX").string()) {
  if (::mkdtemp(path_.data()) == nullptr) std::abort();
}

TemporaryDirectory::~TemporaryDirectory() {
  std::filesystem::remove_all(path_);
}

bool run_in(const std::string& directory, const std::string& command) {
  return std::system(("cd '" + directory + "' && " + command).c_str()) == 0;
}

}  // namespace ondemand::testing_support
