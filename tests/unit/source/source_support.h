// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "blobctl/store_server.h"
#include "format/image_spec.h"
#include "hash/sha256.h"
#include "http/server.h"
#include "oci/config.h"
#include "oci/json.h"
#include "source/source.h"
#include "store/store.h"
#include "support/temporary_directory.h"
#include "util/error.h"

namespace ondemand::test {

inline source::Deadline in_a_minute() {
  return std::chrono::steady_clock::now() + std::chrono::seconds(60);
}

// A store with one image "demo:1" of one blob.
struct SampleStore {
  SampleStore() : store(store::Store::create_or_open(directory.path() / "store")) {
    for (std::size_t i = 0; i < 300'000; ++i)
      content.push_back(static_cast<char>(i * i % 253));
    blob = store.put_bytes(util::as_bytes(content), format::kMediaErofs);
    manifest = put_manifest();
    store.add_image(manifest, "demo:1");
  }

  oci::Descriptor put_manifest() {
    oci::Manifest out;
    out.media_type = format::kMediaOciManifest;
    out.layers = {blob};
    const oci::Platform platform{"amd64", "linux", "", "", {std::string(format::kOsFeatureErofs)}};
    out.config = store.put_bytes(
        util::as_bytes(oci::make_default_config(platform, std::vector{blob.digest})),
        format::kMediaOciConfig);
    manifest_json = oci::to_json(out);
    return store.put_bytes(util::as_bytes(manifest_json), format::kMediaOciManifest);
  }

  std::string path() const { return store.path().native(); }

  TemporaryDirectory directory;
  store::Store store;
  std::string content;
  oci::Descriptor blob;
  std::string manifest_json;
  oci::Descriptor manifest;
};

// What `blobctl serve` does, in process.
inline std::unique_ptr<http::Server> serve(const store::Store& store) {
  return std::make_unique<http::Server>(http::ListenAddress{"127.0.0.1", 0},
                                        [&store](const http::ServerRequest& request) {
                                          return blobctl::answer_from_store(store, request);
                                        });
}

inline const hash::Digest& missing_digest() {
  static const hash::Digest digest = hash::sha256(util::as_bytes("not there"));
  return digest;
}

// Every promise of Source, kept for the sample image.
inline void expect_serves_sample(source::Source& source, const SampleStore& sample,
                                 const std::string& reference) {
  const auto named = source.find_manifest(reference, in_a_minute());
  ASSERT_TRUE(named) << source.name();
  EXPECT_EQ(named->digest, sample.manifest.digest);
  EXPECT_EQ(named->json, sample.manifest_json);
  const auto digested = source.find_manifest(sample.manifest.digest.to_string(), in_a_minute());
  ASSERT_TRUE(digested);
  EXPECT_EQ(digested->json, sample.manifest_json);
  EXPECT_FALSE(source.find_manifest("no-such", in_a_minute()));
  EXPECT_FALSE(source.find_manifest("no/such:name", in_a_minute()));
  EXPECT_FALSE(source.find_manifest(missing_digest().to_string(), in_a_minute()));

  util::Buffer part(5000);
  ASSERT_TRUE(source.read_blob(sample.blob.digest, 1234, part, in_a_minute()));
  EXPECT_EQ(util::as_text(part), sample.content.substr(1234, part.size()));
  util::Buffer whole(sample.content.size());
  ASSERT_TRUE(source.read_blob(sample.blob.digest, 0, whole, in_a_minute()));
  EXPECT_EQ(util::as_text(whole), sample.content);
  ASSERT_TRUE(
      source.read_blob(sample.blob.digest, whole.size() - 1, {part.data(), 1}, in_a_minute()));
  EXPECT_EQ(part[0], whole.back());
  EXPECT_FALSE(source.read_blob(missing_digest(), 0, part, in_a_minute()));
  for (const std::uint64_t offset : {whole.size() - 1, whole.size(), whole.size() * 2})
    EXPECT_THROW(source.read_blob(sample.blob.digest, offset, part, in_a_minute()), util::Error)
        << offset;

  util::BufferSink sink;
  ASSERT_TRUE(
      source.copy_blob(sample.blob.digest, sample.blob.size, sink, std::chrono::seconds(60)));
  EXPECT_EQ(util::as_text(sink.buffer), sample.content);
  util::BufferSink none;
  EXPECT_FALSE(source.copy_blob(missing_digest(), 5, none, std::chrono::seconds(60)));
  EXPECT_THROW(
      source.copy_blob(sample.blob.digest, sample.blob.size + 1, none, std::chrono::seconds(60)),
      util::Error);
  EXPECT_TRUE(none.buffer.empty());
}

}  // namespace ondemand::test
