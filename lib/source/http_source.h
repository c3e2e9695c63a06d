// SPDX-License-Identifier: Apache-2.0
//
// A registry, or a static web server over an OCI layout directory, as a source.
// Source: OCI distribution specification 1.1, "Pulling manifests" and "Pulling blobs";
// OCI image specification 1.1, image-layout.md.
#pragma once

#include <memory>
#include <string>

#include "http/client.h"
#include "source/retry.h"
#include "source/source.h"

namespace ondemand::source {

struct HttpSourceOptions {
  http::ClientOptions client;
  RetryPolicy retry;
  Clock* clock = &system_clock();  // borrowed
  // Longest time without progress of a read or a manifest, inside its deadline.
  std::chrono::milliseconds stall_timeout{15'000};
};

// open_http_source() with everything adjustable.
std::unique_ptr<Source> open_http_source(const std::string& url, const HttpSourceOptions& options);

}  // namespace ondemand::source
