// SPDX-License-Identifier: Apache-2.0
#include "probe/kernel_config.h"

#include <algorithm>
#include <memory>

#include "codec/decompress.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/stream.h"
#include "util/text.h"

namespace ondemand::probe {

namespace {

constexpr std::uint64_t kMaxConfigBytes = 8 * 1024 * 1024;

// Calls `use` for each line without its end.
template <class Use>
void for_lines(std::string_view text, Use use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string read_config_text(const std::string& path) {
  const std::string text = util::read_text_file(path, kMaxConfigBytes);
  if (!path.ends_with(".gz")) return text;
  util::MemorySource packed(util::as_bytes(text));
  const auto source = codec::make_decompressor(codec::Compression::kGzip, packed, path);
  std::string unpacked(kMaxConfigBytes, '\0');
  std::size_t len = 0;
  while (len < unpacked.size()) {
    const std::size_t got = source->read(util::MutableBytes(
        reinterpret_cast<std::uint8_t*>(unpacked.data()) + len, unpacked.size() - len));
    if (got == 0) break;
    len += got;
  }
  unpacked.resize(len);
  return unpacked;
}

bool same_module(std::string_view a, std::string_view b) {
  const auto same = [](char x, char y) { return (x == '-' ? '_' : x) == (y == '-' ? '_' : y); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

}  // namespace

char KernelConfig::state(std::string_view option) const {
  if (!is_known()) return '?';
  const auto found = options.find(option);
  if (found == options.end() || found->second.empty()) return 'n';
  return found->second == "m" ? 'm' : 'y';
}

std::map<std::string, std::string, std::less<>> parse_kernel_config(std::string_view text) {
  constexpr std::string_view kPrefix = "CONFIG_";
  std::map<std::string, std::string, std::less<>> options;
  for_lines(text, [&](std::string_view line) {
    const std::size_t equals = line.find('=');
    if (!line.starts_with(kPrefix) || equals == std::string_view::npos) return;
    options.emplace(line.substr(kPrefix.size(), equals - kPrefix.size()), line.substr(equals + 1));
  });
  return options;
}

KernelConfig read_kernel_config(std::string_view release) {
  for (const std::string& path :
       {std::string("/proc/config.gz"), util::concat("/boot/config-", release),
        util::concat("/lib/modules/", release, "/config")}) {
    try {
      KernelConfig config{path, parse_kernel_config(read_config_text(path))};
      if (!config.options.empty()) return config;
    } catch (const util::Error&) {
      // Not there, or not for us to read: the next one, or none.
    }
  }
  return {};
}

bool has_module(std::string_view text, std::string_view module) {
  bool found = false;
  for_lines(text, [&](std::string_view line) {
    line = line.substr(0, line.find(':'));
    line.remove_prefix(line.rfind('/') + 1);  // npos + 1 == 0
    line = line.substr(0, line.find(".ko"));
    found = found || same_module(line, module);
  });
  return found;
}

}  // namespace ondemand::probe
