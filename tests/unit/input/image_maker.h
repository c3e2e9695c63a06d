// SPDX-License-Identifier: Apache-2.0
//
// Images made by the real tools (tar, umoci, skopeo) at test time.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "input/image_input.h"
#include "tar/tar_reader.h"
#include "unit/store/store_support.h"
#include "util/text.h"

namespace ondemand::test {

inline bool run(const std::string& command) {
  return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()) == 0;  // NOLINT: test
}

inline bool has_tools() {
  static const bool found = run("command -v umoci && command -v skopeo && command -v tar");
  return found;
}

// The folder holds afterwards: `layout` with the image "v1" of two layers (gzip), `base.tar` and
// `top.tar` (their plain tars).
inline void make_layout(const std::filesystem::path& folder) {
  const std::string script = util::concat(
      "set -e; cd ", folder.native(),
      "; mkdir -p a/etc b/bin; echo one > a/etc/one; ln -s one a/etc/link; echo two > b/bin/two;"
      "head -c 100000 /dev/zero | tr '\\0' x > b/bin/big;"
      "for t in a:base b:top; do tar -C ${t%:*} --sort=name --mtime=@1 --owner=0 --group=0"
      " -cf ${t#*:}.tar .; done;"
      "umoci init --layout layout; umoci new --image layout:v1;"
      "umoci raw add-layer --image layout:v1 base.tar;"
      "umoci raw add-layer --image layout:v1 top.tar;"
      "umoci config --image layout:v1 --config.user 7 --config.entrypoint /bin/two");
  ASSERT_TRUE(run(script));
}

// All uncompressed layers one after another, each verified; what equal images have in common.
inline std::string content_of(const input::ImageInput& image) {
  std::string out;
  for (const input::Layer& layer : image.layers) {
    const auto stream = layer.open();
    const util::Buffer bytes = util::read_all(*stream, 64 << 20, layer.name);
    const input::LayerDigests digests = stream->finish();
    if (layer.expectation.diff_id) {
      EXPECT_EQ(digests.diff_id, hash::sha256(bytes));
    }
    if (layer.expectation.needs_tar_end) {
      // As the image's reader does.
      util::MemorySource source(bytes);
      tar::TarReader reader(source, layer.name);
      tar::Entry entry;
      while (reader.next(entry)) {
      }
      if (!reader.has_end_mark())
        throw util::Error(util::ErrorCode::kCorrupt, layer.name + ": the tar has no end mark");
    }
    out.append(util::as_text(bytes));
  }
  return out;
}

inline std::string read_text(const std::filesystem::path& path) {
  return util::read_text_file(path, 64 << 20);
}

inline void write_text(const std::filesystem::path& path, std::string_view text) {
  util::write_file_atomically(path, util::as_bytes(text), util::Durability::kNoSync);
}

inline input::InputOptions options_for(const std::filesystem::path& path) {
  input::InputOptions out;
  out.image = path.native();
  out.temporary = std::filesystem::temp_directory_path();
  return out;
}

}  // namespace ondemand::test
