// SPDX-License-Identifier: Apache-2.0
#include "blobctl/store_server.h"

#include <gtest/gtest.h>

#include "unit/source/source_support.h"
#include "util/text.h"

namespace ondemand::blobctl {
namespace {

class StoreServer : public ::testing::Test {
 protected:
  http::ServerResponse get(const std::string& path, http::Headers headers = {},
                           const std::string& method = "GET") {
    return answer_from_store(sample.store, {method, path, std::move(headers)});
  }
  std::string blob_path() const { return "/v2/x/blobs/" + sample.blob.digest.to_string(); }

  test::SampleStore sample;
};

TEST_F(StoreServer, AnswersTheRegistrysProbe) {
  for (const char* path : {"/v2/", "/v2"}) {
    const auto response = get(path);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "{}");
    EXPECT_EQ(response.headers.get("Docker-Distribution-Api-Version"), "registry/2.0");
  }
}

TEST_F(StoreServer, FindsManifestsByNameTagAndDigest) {
  const std::string digest = sample.manifest.digest.to_string();
  for (const std::string& path :
       {std::string("/v2/demo/manifests/1"), std::string("/v2/any/manifests/demo:1"),
        std::string("/v2/any/manifests/demo%3A1"), "/v2/a/b/c/manifests/" + digest}) {
    const auto response = get(path);
    EXPECT_EQ(response.status, 200) << path;
    EXPECT_EQ(response.body, sample.manifest_json);
    EXPECT_EQ(response.content_type, format::kMediaOciManifest);
    EXPECT_EQ(response.headers.get("Docker-Content-Digest"), digest);
    EXPECT_EQ(response.headers.get("ETag"), '"' + digest + '"');
  }
}

TEST_F(StoreServer, ServesBlobsByBothUrls) {
  for (const std::string& path : {blob_path(), "/blobs/sha256/" + sample.blob.digest.hex()}) {
    const auto response = get(path);
    EXPECT_EQ(response.status, 200);
    ASSERT_TRUE(response.file);
    EXPECT_EQ(response.range, (util::ByteRange{0, sample.blob.size}));
    EXPECT_EQ(response.headers.get("Accept-Ranges"), "bytes");
  }
}

TEST_F(StoreServer, ServesTheLayoutsFiles) {
  EXPECT_NE(get("/index.json").body.find("demo:1"), std::string::npos);
  EXPECT_EQ(get("/index.json").content_type, format::kMediaOciIndex);
  EXPECT_NE(get("/oci-layout").body.find("imageLayoutVersion"), std::string::npos);
}

TEST_F(StoreServer, AnswersRanges) {
  auto response = get(blob_path(), {{"Range", "bytes=10-19"}});
  EXPECT_EQ(response.status, 206);
  EXPECT_EQ(response.range, (util::ByteRange{10, 10}));
  EXPECT_EQ(response.headers.get("Content-Range"), util::concat("bytes 10-19/", sample.blob.size));
  response = get(blob_path(), {{"Range", "bytes=99999999-"}});
  EXPECT_EQ(response.status, 416);
  EXPECT_EQ(response.headers.get("Content-Range"), util::concat("bytes */", sample.blob.size));
  EXPECT_EQ(get(blob_path(), {{"Range", "bytes=0-1,5-6"}}).status, 200);
  EXPECT_EQ(get("/oci-layout", {{"Range", "bytes=0-0"}}).body, "{");
}

TEST_F(StoreServer, AnswersConditions) {
  const std::string tag = '"' + sample.blob.digest.to_string() + '"';
  const auto response = get(blob_path(), {{"If-None-Match", "W/\"x\", " + tag}});
  EXPECT_EQ(response.status, 304);
  EXPECT_FALSE(response.file);
  EXPECT_EQ(get(blob_path(), {{"If-None-Match", "*"}}).status, 304);
  EXPECT_EQ(get(blob_path(), {{"If-None-Match", "\"other\""}}).status, 200);
  EXPECT_EQ(get(blob_path(), {{"Range", "bytes=0-1"}, {"If-Range", tag}}).status, 206);
  EXPECT_EQ(get(blob_path(), {{"Range", "bytes=0-1"}, {"If-Range", "\"other\""}}).status, 200);
}

TEST_F(StoreServer, TellsErrorsInTheRegistrysForm) {
  const std::string missing = test::missing_digest().to_string();
  const auto expect = [this](const std::string& path, int status, std::string_view code) {
    const auto response = get(path);
    EXPECT_EQ(response.status, status) << path;
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_NE(response.body.find(util::concat(R"({"errors":[{"code":")", code, '"')),
              std::string::npos)
        << response.body;
  };
  expect("/v2/x/manifests/none", 404, "MANIFEST_UNKNOWN");
  expect("/v2/x/manifests/" + missing, 404, "MANIFEST_UNKNOWN");
  expect("/v2/x/manifests/" + sample.blob.digest.to_string(), 404, "MANIFEST_UNKNOWN");
  expect("/v2/x/blobs/" + missing, 404, "BLOB_UNKNOWN");
  expect("/v2/x/blobs/sha256:abc", 400, "DIGEST_INVALID");
  expect("/v2/x/other/y", 404, "NAME_UNKNOWN");
  expect("/", 404, "NAME_UNKNOWN");
  const auto response = get("/v2/", {}, "POST");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.get("Allow"), "GET, HEAD");
}

TEST_F(StoreServer, NeverLeavesTheStore) {
  util::write_file_atomically(sample.directory.path() / "secret", util::as_bytes("secret"),
                              util::Durability::kNoSync);
  for (const std::string& path :
       {std::string("/../secret"), std::string("/blobs/sha256/../../../secret"),
        std::string("/blobs/sha256/%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret"),
        std::string("/%2e%2e/secret"), std::string("/v2/x/blobs/../../../secret"),
        std::string("/v2/x/blobs/..%2fsecret"), std::string("/v2/x/manifests/..%2f..%2fsecret"),
        std::string("//secret"), std::string("/index.json/"), std::string("/index.json%00"),
        std::string("/blobs"), std::string("/blobs/sha256/"), std::string("/blobs/sha256"),
        std::string("no-slash"), std::string(""), std::string("/%"),
        std::string("/blobs/md5/") + std::string(64, 'a')}) {
    const auto response = get(path);
    EXPECT_TRUE(response.status == 400 || response.status == 404) << path << ' ' << response.status;
    EXPECT_FALSE(response.file);
    EXPECT_EQ(response.body.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace ondemand::blobctl
