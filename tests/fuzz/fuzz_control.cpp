// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a request line on demandd's socket, and as words of an error that go back.
#include <cstddef>
#include <cstdint>

#include "control/control.h"
#include "oci/reference.h"
#include "util/bytes.h"
#include "util/error.h"

using namespace ondemand;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = util::as_text({data, size});
  if (control::error_reply(text).find('\n') != std::string::npos) __builtin_trap();
  oci::is_valid_tag(text);
  if (const std::string name = oci::make_ref_name(text);
      !name.empty() && !oci::is_valid_ref_name(name))
    __builtin_trap();
  try {
    const control::Request request = control::parse_request(text);
    const control::Request again = control::parse_request(control::to_json(request));
    if (again.op != request.op || again.image != request.image) __builtin_trap();
  } catch (const util::Error& error) {
    if (error.code() == util::ErrorCode::kInternal) __builtin_trap();
  }
  return 0;
}
