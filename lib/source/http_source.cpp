// SPDX-License-Identifier: Apache-2.0
#include "source/http_source.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "format/image_spec.h"
#include "hash/sha256.h"
#include "oci/json.h"
#include "oci/reference.h"
#include "source/blob_receiver.h"
#include "source/select.h"
#include "util/align.h"
#include "util/text.h"

namespace ondemand::source {
namespace {

using util::Error;
using util::ErrorCode;

bool is_transient(int status) {
  return status == 408 || status == 429 || status >= 500;
}

Error status_error(const http::Response& response) {
  const char* hint = "";
  if (response.status == 401) hint = ": needs authentication, which is not supported yet";
  if (response.status == 403) hint = ": forbidden";
  return Error(ErrorCode::kUnavailable, util::concat(response.url, ": get: status ",
                                                     response.status, std::string_view(hint)));
}

Error origin_error(const http::Response& response, std::string_view complaint) {
  return Error(ErrorCode::kCorrupt,
               util::concat(response.url, ": get: status ", response.status, ": ", complaint));
}

class HttpSource final : public Source {
 public:
  HttpSource(http::Url url, const HttpSourceOptions& options)
      : options_(options),
        url_(std::move(url)),
        name_(url_.to_string()),
        client_(url_, options.client) {}

  const std::string& name() const override { return name_; }
  std::optional<ManifestBytes> find_manifest(std::string_view reference,
                                             Deadline deadline) override;
  bool read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                 Deadline deadline) override;
  bool copy_blob(const hash::Digest& blob, std::uint64_t size, util::ByteSink& sink,
                 std::chrono::milliseconds stall_timeout) override;

 private:
  enum class Form { kUnknown, kRegistry, kStatic };

  Form form(Deadline deadline);
  std::string blob_target(const hash::Digest& blob, Form form) const;
  std::string manifest_target(std::string_view reference) const;
  std::optional<AttemptFailure> attempt_once(const http::GetRequest& request,
                                             http::BodyReceiver& receiver,
                                             http::Response& response);
  http::Response get(const http::GetRequest& request, http::BodyReceiver& receiver,
                     Deadline deadline);
  std::optional<std::string> get_text(const std::string& target, Deadline deadline,
                                      http::Response& response);
  std::optional<std::string> get_document(const hash::Digest& digest, Form form, Deadline deadline);
  std::optional<ManifestBytes> follow(ManifestBytes document, Form form, Deadline deadline);
  std::optional<ManifestBytes> find_tagged(std::string_view reference, Deadline deadline);
  std::optional<ManifestBytes> find_named(std::string_view reference, Deadline deadline);

  const HttpSourceOptions options_;
  const http::Url url_;
  const std::string name_;
  http::Client client_;
  std::atomic<Form> form_{Form::kUnknown};
};

// What may be different the next time is a value, everything else is the answer or is thrown.
std::optional<AttemptFailure> HttpSource::attempt_once(const http::GetRequest& request,
                                                       http::BodyReceiver& receiver,
                                                       http::Response& response) {
  try {
    response = client_.get(request, receiver);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnavailable && error.code() != ErrorCode::kTimeout) throw;
    return AttemptFailure{error, std::nullopt};
  }
  if (!is_transient(response.status)) return std::nullopt;
  return AttemptFailure{status_error(response),
                        parse_retry_after(response.headers.get("Retry-After"))};
}

// One request with retries; the answer has a status that another attempt would not change.
http::Response HttpSource::get(const http::GetRequest& request, http::BodyReceiver& receiver,
                               Deadline deadline) {
  http::Response response;
  run_attempts(*options_.clock, options_.retry, deadline,
               [&] { return attempt_once(request, receiver, response); });
  return response;
}

// GET /v2/ answers 200 or 401 on a registry.  Source: distribution specification 1.1, end-1.
// Several threads may ask at once; they get the same answer.
HttpSource::Form HttpSource::form(Deadline deadline) {
  if (url_.path.empty())
    return Form::kStatic;  // a registry cannot have a repository without a name
  const Form known = form_.load();
  if (known != Form::kUnknown) return known;
  http::GetRequest request;
  request.target = "/v2/";
  request.deadline = deadline;
  request.stall_timeout = options_.stall_timeout;
  http::TextReceiver ignored(64 * util::kKiB);
  const auto response = get(request, ignored, deadline);
  const bool is_page = response.media_type() == "text/html";
  const bool is_registry = (response.status == 200 && !is_page) || response.status == 401;
  if (is_registry) return form_ = Form::kRegistry;
  // A proxy that is starting answers 404 or 403 for a while, to everything: it takes something that
  // was found to know a static server.
  return Form::kStatic;
}

std::string HttpSource::blob_target(const hash::Digest& blob, Form form) const {
  if (form == Form::kRegistry) return util::concat("/v2", url_.path, "/blobs/", blob.to_string());
  return util::concat(url_.path, "/blobs/sha256/", blob.hex());
}

std::string HttpSource::manifest_target(std::string_view reference) const {
  const bool is_digest = hash::Digest::parse(reference).has_value();
  return util::concat("/v2", url_.path, "/manifests/",
                      is_digest ? std::string(reference) : http::percent_encode(reference));
}

// A small document; nullopt when it is not there.
std::optional<std::string> HttpSource::get_text(const std::string& target, Deadline deadline,
                                                http::Response& response) {
  http::GetRequest request;
  request.target = target;
  request.deadline = deadline;
  request.stall_timeout = options_.stall_timeout;
  request.headers.add(
      "Accept", util::concat(format::kMediaOciManifest, ", ", format::kMediaOciIndex, ", ",
                             format::kMediaDockerManifest, ", ", format::kMediaDockerManifestList,
                             ", */*;q=0.1"));
  http::TextReceiver receiver(oci::kMaxIndexBytes);
  response = get(request, receiver, deadline);
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) throw status_error(response);
  if (response.media_type() == "text/html")
    throw Error(ErrorCode::kUnavailable,
                util::concat(response.url, ": get: a web page in place of a manifest"));
  const std::string coding = check_coding(response);
  if (!coding.empty()) throw origin_error(response, coding);
  return std::move(receiver.text);
}

std::optional<std::string> HttpSource::get_document(const hash::Digest& digest, Form form,
                                                    Deadline deadline) {
  const std::string target =
      form == Form::kRegistry ? manifest_target(digest.to_string()) : blob_target(digest, form);
  http::Response response;
  auto text = get_text(target, deadline, response);
  if (!text) return std::nullopt;
  if (hash::sha256(util::as_bytes(*text)) != digest)
    throw Error(
        ErrorCode::kDigestMismatch,
        util::concat(response.url, ": get: bytes do not have the digest ", digest.to_string()));
  form_ = form;
  return text;
}

// From an index to the manifest that is meant.
std::optional<ManifestBytes> HttpSource::follow(ManifestBytes document, Form form,
                                                Deadline deadline) {
  if (!oci::is_index(document.json, name_)) return document;
  const auto read = [&](const oci::Descriptor& entry) {
    return get_document(entry.digest, form, deadline);
  };
  const auto entry = select_manifest(oci::parse_index(document.json, name_).manifests, read, name_);
  if (!entry) return std::nullopt;
  auto json = get_document(entry->digest, form, deadline);
  if (!json) return std::nullopt;
  return ManifestBytes{*std::move(json), entry->digest};
}

std::optional<ManifestBytes> HttpSource::find_tagged(std::string_view reference,
                                                     Deadline deadline) {
  http::Response response;
  std::optional<std::string> json;
  try {
    json = get_text(manifest_target(reference), deadline, response);
  } catch (const Error&) {
    // A registry answers 400 to what cannot be a tag: then it has none of that name.
    if (response.status == 400 && !oci::is_valid_tag(reference)) return std::nullopt;
    throw;
  }
  if (!json) return std::nullopt;
  const auto digest = hash::sha256(util::as_bytes(*json));
  const auto told = hash::Digest::parse(response.headers.get("Docker-Content-Digest"));
  if (told && *told != digest)
    throw Error(
        ErrorCode::kDigestMismatch,
        util::concat(response.url, ": get: bytes do not have the digest ", told->to_string()));
  return follow({*std::move(json), digest}, Form::kRegistry, deadline);
}

std::optional<ManifestBytes> HttpSource::find_named(std::string_view reference, Deadline deadline) {
  http::Response response;
  const auto json = get_text(url_.path + "/index.json", deadline, response);
  if (!json) return std::nullopt;
  const auto index = oci::parse_index(*json, response.url);
  const auto entries = oci::entries_named(index.manifests, reference);
  const auto read = [&](const oci::Descriptor& entry) {
    return get_document(entry.digest, Form::kStatic, deadline);
  };
  const auto entry = select_manifest(entries, read, response.url);
  if (!entry) return std::nullopt;
  auto bytes = get_document(entry->digest, Form::kStatic, deadline);
  if (!bytes) return std::nullopt;
  return ManifestBytes{*std::move(bytes), entry->digest};
}

std::optional<ManifestBytes> HttpSource::find_manifest(std::string_view reference,
                                                       Deadline deadline) {
  const Form where = form(deadline);
  if (const auto digest = hash::Digest::parse(reference)) {
    auto json = get_document(*digest, where, deadline);
    if (!json) return std::nullopt;
    return follow({*std::move(json), *digest}, where, deadline);
  }
  return where == Form::kRegistry ? find_tagged(reference, deadline)
                                  : find_named(reference, deadline);
}

// Whether the blob's bytes came; throws when the answer is final and of no use.
bool is_found(const http::Response& response, const BlobReceiver& receiver, std::uint64_t len) {
  if (response.status == 404) return false;
  if (response.status == 416) throw origin_error(response, "the blob is shorter than the range");
  if (response.status != 200 && response.status != 206) throw status_error(response);
  if (!receiver.complaint().empty()) throw origin_error(response, receiver.complaint());
  if (receiver.received() != len)
    throw origin_error(response, util::concat(receiver.received(), " bytes in place of ", len));
  return true;
}

bool HttpSource::read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                           Deadline deadline) {
  if (out.empty()) return true;
  util::checked_add<std::uint64_t>(offset, out.size());
  const Form where = form(deadline);
  http::GetRequest request;
  request.target = blob_target(blob, where);
  request.deadline = deadline;
  request.stall_timeout = options_.stall_timeout;
  request.range = util::ByteRange{offset, out.size()};
  BlobReceiver receiver(*request.range, offset == 0,
                        [&out](std::uint64_t position, util::Bytes bytes) {
                          std::memcpy(out.data() + position, bytes.data(), bytes.size());
                        });
  const auto response = get(request, receiver, deadline);
  if (!is_found(response, receiver, out.size())) return false;
  form_ = where;
  return true;
}

bool HttpSource::copy_blob(const hash::Digest& blob, std::uint64_t size, util::ByteSink& sink,
                           std::chrono::milliseconds stall_timeout) {
  // What the sink has it has: another attempt goes on from there.  After one that brought this much
  // the attempts and their time begin anew, or a long blob could never come over a bad line.
  static constexpr std::uint64_t kProgress = util::kMiB;
  Clock& clock = *options_.clock;
  http::GetRequest request;
  request.target = blob_target(blob, form(clock.now() + stall_timeout));
  request.stall_timeout = stall_timeout;

  std::uint64_t done = 0;
  bool is_here = true;
  const auto once = [&]() -> std::optional<AttemptFailure> {
    const util::ByteRange rest{done, size - done};
    if (done > 0) {
      if (rest.empty()) return std::nullopt;
      request.range = rest;
    }
    BlobReceiver receiver(rest, done == 0, [&](std::uint64_t, util::Bytes bytes) {
      sink.write(bytes);
      done += bytes.size();
    });
    http::Response response;
    auto failure = attempt_once(request, receiver, response);
    if (!failure) is_here = is_found(response, receiver, rest.len);
    return failure;
  };
  bool is_moving = true;
  while (is_moving) {
    is_moving = false;
    // There is no deadline for the whole; a pause may not be longer than a stall.
    run_attempts(clock, options_.retry, clock.now() + stall_timeout * options_.retry.attempts,
                 [&]() -> std::optional<AttemptFailure> {
                   const std::uint64_t before = done;
                   auto failure = once();
                   is_moving = failure && done - before >= kProgress;
                   return is_moving ? std::nullopt : failure;
                 });
  }
  return is_here;
}

}  // namespace

std::unique_ptr<Source> open_http_source(const std::string& url, const HttpSourceOptions& options) {
  http::Url parsed = http::parse_url(url);
  if (!parsed.query.empty())
    throw Error(ErrorCode::kUsage,
                util::concat(parsed.to_string(), ": url: a query is not accepted"));
  while (parsed.path.ends_with('/'))
    parsed.path.pop_back();
  return std::make_unique<HttpSource>(std::move(parsed), options);
}

std::unique_ptr<Source> open_http_source(const std::string& url) {
  return open_http_source(url, HttpSourceOptions{});
}

}  // namespace ondemand::source
