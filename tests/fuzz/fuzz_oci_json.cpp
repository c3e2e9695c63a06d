// SPDX-License-Identifier: Apache-2.0
//
// Every parser of lib/oci on the same bytes; only util::Error may come out, and what was read and
// written again must read the same.  Needs: oci.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "oci/config.h"
#include "oci/docker_archive.h"
#include "oci/erofs_image.h"
#include "oci/index_edit.h"
#include "oci/json.h"
#include "util/bytes.h"
#include "util/error.h"

namespace {

using namespace ondemand;

template <class Call>
void tolerate_errors(Call call) {
  try {
    call();
  } catch (const util::Error& error) {
    if (error.code() == util::ErrorCode::kInternal) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = util::as_text({data, size});
  tolerate_errors([&] { oci::is_index(text, "fuzz"); });
  tolerate_errors([&] { oci::check_layout_file(text, "fuzz"); });
  tolerate_errors([&] { oci::parse_docker_manifest(text, "fuzz"); });
  tolerate_errors([&] {
    const oci::Manifest manifest = oci::parse_manifest(text, "fuzz");
    const std::string written = oci::to_json(manifest);
    if (oci::to_json(oci::parse_manifest(written, "fuzz")) != written) std::abort();
    oci::interpret_manifest(manifest, "fuzz");
  });
  tolerate_errors([&] {
    const oci::Index index = oci::parse_index(text, "fuzz");
    oci::Descriptor added;
    const oci::IndexEdit edit = oci::add_to_index(text, "fuzz", added, "name");
    if (oci::parse_index(edit.json, "fuzz").manifests.size() > index.manifests.size() + 1)
      std::abort();
  });
  tolerate_errors([&] {
    oci::parse_config(text, "fuzz");
    const std::vector<hash::Digest> ids(2);
    const std::string once = oci::make_erofs_config(text, "fuzz", ids, "tool", {});
    // The history grows with each time; everything else must be stable.
    oci::parse_config(once, "fuzz");
  });
  return 0;
}
