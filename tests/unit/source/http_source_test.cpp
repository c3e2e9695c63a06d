// SPDX-License-Identifier: Apache-2.0
//
// The HTTP source against our own server of a store, in both URL forms.
#include "source/http_source.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "support/fault_server.h"
#include "unit/source/source_support.h"
#include "util/text.h"

namespace ondemand::source {
namespace {

TEST(HttpSource, ReadsAStoreByTheRegistrysUrls) {
  const test::SampleStore sample;
  const auto server = test::serve(sample.store);
  const auto source = open_http_source(server->url() + "/any/name/");
  EXPECT_EQ(source->name(), server->url() + "/any/name");
  test::expect_serves_sample(*source, sample, "demo:1");
}

TEST(HttpSource, ReadsAStoreAsPlainFiles) {
  const test::SampleStore sample;
  const auto server = test::serve(sample.store);
  test::expect_serves_sample(*open_http_source(server->url()), sample, "demo:1");
}

TEST(HttpSource, ReadsAStoreBelowAPathWhereNoRegistryAnswers) {
  const test::SampleStore sample;
  const http::Server server({"127.0.0.1", 0}, [&sample](const http::ServerRequest& request) {
    auto inner = request;
    inner.path = request.path.starts_with("/stores/a/") ? request.path.substr(9) : "/none";
    return blobctl::answer_from_store(sample.store, inner);
  });
  test::expect_serves_sample(*open_http_source(server.url() + "/stores/a"), sample, "demo:1");
}

TEST(HttpSource, FollowsAnIndexToItsErofsImage) {
  test::SampleStore sample;
  oci::Index index;
  oci::Descriptor tar = sample.manifest;
  tar.digest = test::missing_digest();  // the ordinary image, which this store does not hold
  tar.platform = oci::Platform{"amd64", "linux", "", "", {}};
  oci::Descriptor erofs = sample.manifest;
  erofs.platform = oci::Platform{"amd64", "linux", "", "", {"erofs"}};
  index.manifests = {tar, erofs};
  const auto entry =
      sample.store.put_bytes(util::as_bytes(oci::to_json(index)), format::kMediaOciIndex);
  const auto server = test::serve(sample.store);
  for (const char* path : {"", "/name"}) {
    const auto source = open_http_source(server->url() + path);
    const auto found = source->find_manifest(entry.digest.to_string(), test::in_a_minute());
    ASSERT_TRUE(found);
    EXPECT_EQ(found->digest, sample.manifest.digest);
  }
}

TEST(HttpSource, ServesManyThreadsAtOnce) {
  const test::SampleStore sample;
  const auto server = test::serve(sample.store);
  const auto source = open_http_source(server->url() + "/demo");
  // The thread sanitizer does not see how cpp-httplib, which is not built with it, guards what its
  // first request makes: let that be over.
  util::Buffer first(1);
  ASSERT_TRUE(source->read_blob(sample.blob.digest, 0, first, test::in_a_minute()));
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 10; ++i) {
        util::Buffer out(2000);
        const std::size_t offset = (i * 16 + static_cast<std::size_t>(t)) * 1000;
        ASSERT_TRUE(source->read_blob(sample.blob.digest, offset, out, test::in_a_minute()));
        EXPECT_EQ(util::as_text(out), sample.content.substr(offset, out.size()));
      }
    });
  for (auto& thread : threads)
    thread.join();
}

TEST(HttpSource, RefusesOtherUrls) {
  for (const char* url : {"host/path", "https://host/path", "http://user:pw@host/",
                          "http://host/?q", "http://host/#f"})
    try {
      open_http_source(url);
      ADD_FAILURE() << url;
    } catch (const util::Error& error) {
      EXPECT_EQ(error.code(), util::ErrorCode::kUsage);
    }
}

}  // namespace
}  // namespace ondemand::source
