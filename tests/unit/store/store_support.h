// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "format/image_spec.h"
#include "oci/config.h"
#include "oci/json.h"
#include "store/store.h"
#include "unit/oci/expect_error.h"

namespace ondemand::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "ondemand-test-XXXXXX").native();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A small image whose one layer holds `content`.
inline oci::Descriptor put_image(store::Store& store, std::string_view content,
                                 const oci::Platform& platform = {"amd64", "linux", "", "", {}}) {
  oci::Manifest manifest;
  manifest.layers = {store.put_bytes(util::as_bytes(content), format::kMediaErofs)};
  const std::string config =
      oci::make_default_config(platform, std::vector{manifest.layers[0].digest});
  manifest.config = store.put_bytes(util::as_bytes(config), format::kMediaOciConfig);
  const std::string json = oci::to_json(manifest);
  return store.put_bytes(util::as_bytes(json), format::kMediaOciManifest);
}

}  // namespace ondemand::test
