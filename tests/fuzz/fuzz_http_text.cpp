// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as the texts that HTTP peers send and users write: URLs, Location, Range and
// Content-Range.  What is understood must hold what its header promises.
#include <cstddef>
#include <cstdint>
#include <string>

#include "http/headers.h"
#include "http/url.h"
#include "util/bytes.h"
#include "util/error.h"

using namespace ondemand;

namespace {

void check(bool holds) {
  if (!holds) __builtin_trap();
}

void check_url(const http::Url& url) {
  check(!url.host.empty() && url.port != 0);
  check(url.path.empty() || url.path.front() == '/');
  http::UrlError error;
  const auto again = http::try_parse_url(url.origin() + url.target(), error);
  check(again.has_value() && again->same_origin(url) && again->target() == url.target());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = util::as_text({data, size});
  http::UrlError error;
  if (const auto url = http::try_parse_url(text, error)) check_url(*url);
  const http::Url base = http::parse_url("http://base.invalid:8080/a/b?c");
  if (const auto url = http::resolve_location(base, text, error)) check_url(*url);
  check(http::redact_url(text).find('\n') == std::string::npos);
  check(http::percent_decode(http::percent_encode(text)) == text);
  http::percent_decode(text);
  if (const auto range = http::parse_content_range(text); range && range->range && range->total)
    check(range->range->offset + range->range->len <= *range->total);
  for (const std::uint64_t total : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}}) {
    const http::RangeChoice choice = http::choose_range(text, total);
    if (choice.kind == http::RangeChoice::Kind::kPart)
      check(choice.range.len > 0 && choice.range.offset < total &&
            choice.range.len <= total - choice.range.offset);
  }
  return 0;
}
