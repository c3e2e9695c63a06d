// SPDX-License-Identifier: Apache-2.0
#include "mount/mount_table.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <system_error>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::mount {

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

// Space, tab, newline and backslash stand as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<MountEntry> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> entries;
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, ' ');
    // id parent major:minor root mountpoint options [optional...] - filesystem source options
    const auto dash = std::find(fields.begin(), fields.end(), std::string_view("-"));
    if (dash - fields.begin() < 6 || fields.end() - dash < 3) continue;
    const auto id = util::parse_u64(fields[0]);
    if (!id) continue;
    MountEntry entry;
    entry.id = *id;
    entry.device = fields[2];
    entry.root = unescape(fields[3]);
    entry.mountpoint = unescape(fields[4]);
    entry.options = fields[5];
    entry.filesystem = *(dash + 1);
    entry.source = unescape(*(dash + 2));
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<MountEntry> list_mounts() {
  // No size limit: a host may have many thousand mounts, and the kernel made the text.
  std::ifstream file("/proc/self/mountinfo");
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || !text)
    throw util::Error(util::ErrorCode::kIo,
                      "/proc/self/mountinfo: read: failed (is /proc mounted?)");
  return parse_mountinfo(text.str());
}

std::vector<MountEntry> erofs_mounts_below(const std::vector<MountEntry>& mounts,
                                           const std::filesystem::path& directory) {
  std::error_code ignored;
  std::filesystem::path top = std::filesystem::weakly_canonical(directory, ignored);
  if (ignored) top = std::filesystem::absolute(directory).lexically_normal();
  std::vector<MountEntry> found;
  for (const MountEntry& entry : mounts) {
    if (entry.filesystem != "erofs" || entry.source.empty() || entry.source[0] != '/') continue;
    std::filesystem::path source = std::filesystem::weakly_canonical(entry.source, ignored);
    if (ignored) source = entry.source;
    const auto end = std::mismatch(top.begin(), top.end(), source.begin(), source.end());
    if (end.first == top.end()) found.push_back(entry);
  }
  return found;
}

}  // namespace ondemand::mount
