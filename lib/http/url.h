// SPDX-License-Identifier: Apache-2.0
//
// The URLs that this project opens: http://host[:port][/path][?query].  Nothing else is accepted:
// no user information (secrets do not belong in arguments and logs), no fragment, no other scheme.
// Source: RFC 3986 sections 2 and 3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ondemand::http {

inline constexpr std::size_t kMaxUrlBytes = 8000;  // Source: RFC 9110 section 4.1 (recommendation)

struct Url {
  std::string host;         // lower case; an IPv6 address without its brackets
  std::uint16_t port = 80;  // Range: 1..65535
  std::string path;         // empty or from '/' on, percent-encoded as it was written
  std::string query;        // without '?'; may hold secrets (signed URLs)

  // "host" or "[v6]", with ":port" unless it is 80.
  std::string authority() const;
  std::string origin() const;     // "http://" + authority()
  std::string target() const;     // what a request line carries: path (at least "/") and query
  std::string to_string() const;  // for messages: the query, if any, is printed as "?..."
  bool same_origin(const Url& other) const { return host == other.host && port == other.port; }
};

// What is wrong with a URL that parse_url() refuses, as the reason part of a message.
struct UrlError {
  std::string reason;
  bool is_https = false;
};

// nullopt and `error` set when the text is not such a URL.
std::optional<Url> try_parse_url(std::string_view text, UrlError& error);
// Throws kUsage "<redacted url>: url: reason".
Url parse_url(std::string_view text);
// The URL that a Location header means (absolute, "//host/path", "/path" or relative); a fragment
// is dropped.  nullopt and `error` set when it cannot be followed.
std::optional<Url> resolve_location(const Url& base, std::string_view location, UrlError& error);

// Text for messages: without user information and query, printable on one line.
std::string redact_url(std::string_view text);

// Every byte but unreserved ones as %XX, so that any text is one path segment.
std::string percent_encode(std::string_view text);
// nullopt when a '%' is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace ondemand::http
