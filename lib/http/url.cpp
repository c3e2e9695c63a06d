// SPDX-License-Identifier: Apache-2.0
#include "http/url.h"

#include <arpa/inet.h>

#include <algorithm>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::http {
namespace {

bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_unreserved(char c) {
  return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
// RFC 3986 section 3.3, pchar without pct-encoded, and '/'.
bool is_path_char(char c) {
  return is_unreserved(c) || std::string_view("!$&'()*+,;=:@/").find(c) != std::string_view::npos;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

// Characters and escapes of a path or query are those that the grammar allows.
bool is_well_formed(std::string_view text, bool is_query) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
      i += 2;
    } else if (!is_path_char(text[i]) && !(is_query && text[i] == '?')) {
      return false;
    }
  }
  return true;
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/'
    const auto end = std::min(path.find('/'), path.size());
    const auto segment = percent_decode(path.substr(0, end));
    if (segment && (*segment == "." || *segment == "..")) return true;
    path.remove_prefix(end);
  }
  return false;
}

bool parse_host(std::string_view text, Url& url) {
  if (text.starts_with('[')) {
    if (!text.ends_with(']')) return false;
    url.host = lower(text.substr(1, text.size() - 2));
    in6_addr address{};
    return ::inet_pton(AF_INET6, url.host.c_str(), &address) == 1;
  }
  url.host = lower(text);
  return !text.empty() && text.size() <= 253 && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
         });
}

// "host[:port]" or "[v6][:port]".  Returns the reason when it is not, else nothing.
std::string_view parse_authority(std::string_view text, Url& url) {
  if (text.find('@') != std::string_view::npos) return "user information is not accepted in a URL";
  const auto bracket = text.rfind(']');
  const auto colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (!parse_host(text.substr(0, colon), url)) return "bad host name or address";
  if (colon == std::string_view::npos) return {};
  const auto port = util::parse_u64(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) return "bad port number";
  url.port = static_cast<std::uint16_t>(*port);
  return {};
}

}  // namespace

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : util::concat('[', host, ']');
  if (port != 80) out += util::concat(':', port);
  return out;
}

std::string Url::origin() const {
  return "http://" + authority();
}

std::string Url::target() const {
  std::string out = path.empty() ? "/" : path;
  if (!query.empty()) out += "?" + query;
  return out;
}

std::string Url::to_string() const {
  return util::concat(origin(), path, query.empty() ? std::string_view() : "?...");
}

std::optional<Url> try_parse_url(std::string_view text, UrlError& error) {
  error = {};
  const auto fail = [&error](std::string_view reason) {
    error.reason = reason;
    return std::nullopt;
  };
  if (text.size() > kMaxUrlBytes) return fail("longer than 8000 bytes");
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return fail("not of the form http://host[:port]/path");
  const std::string scheme = lower(text.substr(0, scheme_end));
  error.is_https = scheme == "https";
  if (error.is_https) return fail("https is not supported yet");
  if (scheme != "http") return fail("scheme is not http");
  text.remove_prefix(scheme_end + 3);

  Url url;
  const auto authority_end = std::min(text.find_first_of("/?#"), text.size());
  const auto reason = parse_authority(text.substr(0, authority_end), url);
  if (!reason.empty()) return fail(reason);
  text.remove_prefix(authority_end);
  if (text.find('#') != std::string_view::npos) return fail("a fragment is not accepted");
  const auto path_end = std::min(text.find('?'), text.size());
  url.path = text.substr(0, path_end);
  if (path_end < text.size()) url.query = text.substr(path_end + 1);
  if (!is_well_formed(url.path, false) || !is_well_formed(url.query, true))
    return fail("character or escape that a URL cannot have");
  if (has_dot_segment(url.path)) return fail("'.' or '..' in the path");
  return url;
}

Url parse_url(std::string_view text) {
  UrlError error;
  auto url = try_parse_url(text, error);
  if (!url)
    throw util::Error(util::ErrorCode::kUsage,
                      util::concat(redact_url(text), ": url: ", error.reason));
  return *std::move(url);
}

std::optional<Url> resolve_location(const Url& base, std::string_view location, UrlError& error) {
  location = location.substr(0, location.find('#'));
  if (location.empty()) {
    error = {"empty location", false};
    return std::nullopt;
  }
  const auto scheme_end = location.find("://");
  if (scheme_end != std::string_view::npos && scheme_end < location.find_first_of("/?"))
    return try_parse_url(location, error);
  if (location.starts_with("//")) return try_parse_url(util::concat("http:", location), error);
  if (location.starts_with('/')) return try_parse_url(base.origin() + std::string(location), error);
  const auto slash = base.path.rfind('/');
  const std::string directory = slash == std::string::npos ? "/" : base.path.substr(0, slash + 1);
  return try_parse_url(base.origin() + directory + std::string(location), error);
}

std::string redact_url(std::string_view text) {
  const auto query = text.find_first_of("?#");
  std::string out(text.substr(0, query));
  const auto scheme_end = out.find("://");
  const auto authority = scheme_end == std::string::npos ? 0 : scheme_end + 3;
  const auto end = std::min(out.find('/', authority), out.size());
  const auto at = out.rfind('@', end);
  if (at != std::string::npos && at >= authority) out.replace(authority, at - authority, "***");
  if (query != std::string_view::npos) out += "?...";
  return util::printable(out);
}

std::string percent_encode(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (is_unreserved(c)) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 15]);
    }
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const auto byte = i + 2 < text.size() ? util::from_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (!byte) return std::nullopt;
    out.push_back(static_cast<char>(byte->front()));
    i += 2;
  }
  return out;
}

}  // namespace ondemand::http
