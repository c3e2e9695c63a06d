// SPDX-License-Identifier: Apache-2.0
#include "blobctl/store_server.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "format/image_spec.h"
#include "hash/sha256.h"
#include "http/url.h"
#include "oci/json.h"
#include "oci/media_type.h"
#include "oci/select.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {
namespace {

using http::ServerRequest;
using http::ServerResponse;

constexpr std::string_view kJson = "application/json";
constexpr std::size_t kMaxLayoutFileBytes = 4096;

// Error form and codes: distribution specification 1.1, "Error Codes".  Both texts are ours and
// need no escaping.
ServerResponse error_answer(int status, std::string_view code, std::string_view message) {
  ServerResponse response;
  response.status = status;
  response.content_type = kJson;
  response.body =
      util::concat(R"({"errors":[{"code":")", code, R"(","message":")", message, R"("}]})", '\n');
  return response;
}

// What is to be sent, before conditions and ranges.
struct Representation {
  std::string content_type;
  hash::Digest digest;  // of the whole
  std::uint64_t size = 0;
  std::optional<util::Fd> file;  // else `body`
  std::string body;
  bool is_object = false;  // named by its digest
};

// "*" or a list with the tag; weak marks do not matter here.  Source: RFC 9110 section 13.1.2.
bool matches_tag(std::string_view field, std::string_view tag) {
  return field == "*" || field.find(tag) != std::string_view::npos;
}

ServerResponse send(Representation what, const ServerRequest& request) {
  ServerResponse response;
  const std::string tag = util::concat('"', what.digest.to_string(), '"');
  response.headers.add("ETag", tag);
  response.headers.add("Accept-Ranges", "bytes");
  if (what.is_object) response.headers.add("Docker-Content-Digest", what.digest.to_string());
  const auto* none_match = request.headers.find("If-None-Match");
  if (none_match != nullptr && matches_tag(*none_match, tag)) {
    response.status = 304;
    return response;
  }
  http::RangeChoice choice;
  const auto* if_range = request.headers.find("If-Range");
  if (if_range == nullptr || *if_range == tag)
    choice = http::choose_range(request.headers.get("Range"), what.size);
  if (choice.kind == http::RangeChoice::Kind::kUnsatisfiable) {
    auto error = error_answer(416, "RANGE_INVALID", "range is outside the content");
    error.headers.add("Content-Range", util::concat("bytes */", what.size));
    return error;
  }
  response.range = {0, what.size};
  if (choice.kind == http::RangeChoice::Kind::kPart) {
    response.status = 206;
    response.range = choice.range;
    response.headers.add("Content-Range", util::concat("bytes ", choice.range.offset, '-',
                                                       choice.range.end() - 1, '/', what.size));
  }
  response.content_type = what.content_type;
  if (what.file) {
    response.file = std::move(what.file);
  } else {
    response.body = what.body.substr(response.range.offset, response.range.len);
  }
  return response;
}

Representation text_of(std::string text, std::string_view content_type) {
  Representation what;
  what.content_type = content_type;
  what.digest = hash::sha256(util::as_bytes(text));
  what.size = text.size();
  what.body = std::move(text);
  return what;
}

ServerResponse send_blob(const store::Store& store, std::optional<hash::Digest> digest,
                         const ServerRequest& request) {
  if (!digest) return error_answer(400, "DIGEST_INVALID", "not a SHA-256 digest");
  if (!store.has_blob(*digest))
    return error_answer(404, "BLOB_UNKNOWN", "no such blob in this store");
  auto open = store.open_blob(*digest);
  Representation what;
  what.content_type = format::kMediaOctetStream;
  what.digest = *digest;
  what.size = open.size;
  what.file = std::move(open.fd);
  what.is_object = true;
  return send(std::move(what), request);
}

// The media type that a document gives itself, else the one that its form means; empty when it is
// no manifest at all.
std::string manifest_type(const std::string& json) {
  try {
    if (oci::is_index(json, "manifest")) return std::string(format::kMediaOciIndex);
    const auto manifest = oci::parse_manifest(json, "manifest");
    return manifest.media_type.empty() ? std::string(format::kMediaOciManifest)
                                       : manifest.media_type;
  } catch (const util::Error&) {
    return {};  // some other blob, asked for as if it were one
  }
}

// The entry that a registry would show under this tag: the document itself where the name is
// clear, also when it is an index.
std::optional<hash::Digest> find_named(const store::Store& store, const std::string& name) {
  const auto entries = oci::entries_named(store.list(), name);
  if (entries.empty()) return std::nullopt;
  if (entries.size() == 1) return entries.front().digest;
  const auto chosen = store.resolve(name);
  return chosen ? std::optional(chosen->digest) : std::nullopt;
}

std::optional<hash::Digest> find_reference(const store::Store& store, const std::string& name,
                                           const std::string& reference) {
  if (const auto digest = hash::Digest::parse(reference)) return digest;
  if (auto found = find_named(store, util::concat(name, ':', reference))) return found;
  if (auto found = find_named(store, reference)) return found;
  return reference == "latest" ? find_named(store, name) : std::nullopt;
}

ServerResponse send_manifest(const store::Store& store, const std::string& name,
                             const std::string& reference, const ServerRequest& request) {
  const auto unknown = [] {
    return error_answer(404, "MANIFEST_UNKNOWN", "no such manifest in this store");
  };
  const auto digest = find_reference(store, name, reference);
  if (!digest) return unknown();
  const auto size = store.blob_size(*digest);
  if (!size || *size > oci::kMaxManifestBytes) return unknown();
  std::string json = store.read_small_blob(*digest, oci::kMaxManifestBytes);
  const std::string type = manifest_type(json);
  if (type.empty()) return unknown();
  Representation what = text_of(std::move(json), type);
  what.is_object = true;
  return send(std::move(what), request);
}

// Decoded segments of "/a/b/c"; nullopt for bad escapes, zero bytes and dot segments.
std::optional<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> out;
  if (!path.starts_with('/')) return std::nullopt;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto end = std::min(path.find('/'), path.size());
    auto segment = http::percent_decode(path.substr(0, end));
    if (!segment || *segment == "." || *segment == ".." || segment->find('\0') != std::string::npos)
      return std::nullopt;
    out.push_back(*std::move(segment));
    path.remove_prefix(end);
  }
  return out;
}

ServerResponse answer_registry(const store::Store& store, const std::vector<std::string>& path,
                               const ServerRequest& request) {
  if (path.size() == 1 || (path.size() == 2 && path[1].empty())) {
    auto response = send(text_of("{}", kJson), request);
    response.headers.add("Docker-Distribution-Api-Version", "registry/2.0");
    return response;
  }
  // "v2", one or more parts of a name, a kind, a reference.
  if (path.size() < 4) return error_answer(404, "NAME_UNKNOWN", "no such resource");
  std::string name = path[1];
  for (std::size_t i = 2; i + 2 < path.size(); ++i)
    name += "/" + path[i];
  const std::string& kind = path[path.size() - 2];
  if (kind == "manifests") return send_manifest(store, name, path.back(), request);
  if (kind == "blobs") return send_blob(store, hash::Digest::parse(path.back()), request);
  return error_answer(404, "NAME_UNKNOWN", "no such resource");
}

}  // namespace

ServerResponse answer_from_store(const store::Store& store, const ServerRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    auto response = error_answer(405, "UNSUPPORTED", "this server only reads");
    response.headers.add("Allow", "GET, HEAD");
    return response;
  }
  const auto path = split_path(request.path);
  if (!path) return error_answer(400, "NAME_INVALID", "malformed path");
  if (path->front() == "v2") return answer_registry(store, *path, request);
  if (path->size() == 1 && path->front() == "index.json")
    return send(text_of(util::read_text_file(store.path() / "index.json", oci::kMaxIndexBytes),
                        format::kMediaOciIndex),
                request);
  if (path->size() == 1 && path->front() == "oci-layout")
    return send(
        text_of(util::read_text_file(store.path() / "oci-layout", kMaxLayoutFileBytes), kJson),
        request);
  if (path->size() == 3 && path->front() == "blobs" && (*path)[1] == "sha256")
    return send_blob(store, hash::Digest::from_hex((*path)[2]), request);
  return error_answer(404, "NAME_UNKNOWN", "no such resource");
}

}  // namespace ondemand::blobctl
