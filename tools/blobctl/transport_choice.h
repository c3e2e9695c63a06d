// SPDX-License-Identifier: Apache-2.0
//
// Which way of the kernel an image is mounted: the one that the running demandd has taken, or the
// one that was asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cache/cache_root.h"

namespace ondemand::blobctl {

enum class TransportKind {
  kFanotify,          // file-backed mount
  kCachefilesDemand,  // over fscache, /dev/cachefiles_demand
  kCachefiles,        // over fscache, /dev/cachefiles
};

// As demandd and its options call it.
std::string_view to_string(TransportKind kind);
std::optional<TransportKind> parse_transport(std::string_view text);

// What the demandd that serves this cache says; nullopt: none answers, or with a word that is not
// known here.
std::optional<TransportKind> running_transport(const cache::CacheRoot& root);

struct TransportChoice {
  TransportKind kind = TransportKind::kFanotify;
  bool is_running = false;  // a demandd serves the cache in that way
};

// `wanted` is "auto" or a transport.  Without a demandd "auto" is fanotify, whose mounts need none
// when all data is there.  Throws kUsage for an unknown word, kUnavailable when demandd serves the
// cache in another way than the wanted one, or when there is none and this kernel needs one.
TransportChoice choose_transport(const cache::CacheRoot& root, const std::string& wanted);

}  // namespace ondemand::blobctl
