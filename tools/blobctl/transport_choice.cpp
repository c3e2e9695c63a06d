// SPDX-License-Identifier: Apache-2.0
#include "blobctl/transport_choice.h"

#include <array>
#include <chrono>

#include "control/control.h"
#include "mount/probe.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

constexpr std::chrono::milliseconds kPingTimeout{10'000};
constexpr std::array kAll{TransportKind::kFanotify, TransportKind::kCachefilesDemand,
                          TransportKind::kCachefiles};

}  // namespace

std::string_view to_string(TransportKind kind) {
  switch (kind) {
    case TransportKind::kFanotify:
      return "fanotify";
    case TransportKind::kCachefilesDemand:
      return "cachefiles-demand";
    case TransportKind::kCachefiles:
      return "cachefiles";
  }
  return "unknown";
}

std::optional<TransportKind> parse_transport(std::string_view text) {
  for (const TransportKind kind : kAll)
    if (text == to_string(kind)) return kind;
  return std::nullopt;
}

std::optional<TransportKind> running_transport(const cache::CacheRoot& root) {
  const auto reply = control::call(root.path(), R"({"op":"ping"})", kPingTimeout);
  if (!reply) return std::nullopt;
  return parse_transport(control::transport_in(*reply));
}

TransportChoice choose_transport(const cache::CacheRoot& root, const std::string& wanted) {
  const std::optional<TransportKind> asked = parse_transport(wanted);
  if (!asked && wanted != "auto")
    throw util::Error(util::ErrorCode::kUsage, util::concat("--transport ", util::printable(wanted),
                                                            ": parse: is no known transport"));
  const std::optional<TransportKind> running = running_transport(root);
  if (asked && running && *asked != *running)
    throw util::Error(
        util::ErrorCode::kUnavailable,
        util::concat(util::printable(root.path().native()), ": mount through ", wanted,
                     ": demandd serves this cache through ", to_string(*running)));
  if (!asked && !running && !mount::has_file_backed_version())
    throw util::Error(
        util::ErrorCode::kUnavailable,
        util::concat(util::printable(root.path().native()),
                     ": mount: no demandd serves this cache, and without one this kernel (Linux ",
                     mount::kernel_release(), ") mounts no image; start 'demandd --cache ",
                     util::printable(root.path().native()), " ...' first"));
  return {asked ? *asked : running.value_or(TransportKind::kFanotify), running.has_value()};
}

}  // namespace ondemand::blobctl
