// SPDX-License-Identifier: Apache-2.0
//
// A store over HTTP, read-only: by the registry's URLs (/v2/<name>/manifests|blobs/...) and as
// the plain files of the layout (/index.json, /oci-layout, /blobs/sha256/<hex>).
// Source: OCI distribution specification 1.1, "Pulling manifests", "Pulling blobs", "Error Codes";
// RFC 9110 sections 13.1.2 (If-None-Match), 13.1.5 (If-Range), 14.
//
// Thread: any number of calls at once.
#pragma once

#include "http/server.h"
#include "store/store.h"

namespace ondemand::blobctl {

// Answers one request; nothing outside the store can be named.  <name> is free, since a store has
// one flat list of references: a manifest is looked for as "<name>:<ref>", then as "<ref>", then,
// for "latest", as "<name>".  Throws kIo, kCorrupt, kDigestMismatch when the store is damaged.
http::ServerResponse answer_from_store(const store::Store& store,
                                       const http::ServerRequest& request);

}  // namespace ondemand::blobctl
