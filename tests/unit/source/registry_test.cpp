// SPDX-License-Identifier: Apache-2.0
//
// The HTTP source against real servers: Debian's docker-registry, fed by skopeo, and nginx over a
// layout directory; and skopeo against our own server.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "http/socket.h"
#include "source/http_source.h"
#include "support/child_process.h"
#include "unit/source/source_support.h"
#include "util/text.h"

namespace ondemand::source {
namespace {

using test::ChildProcess;
using test::find_program;

class RealServers : public ::testing::Test {
 protected:
  std::filesystem::path file(const char* name) const { return sample.directory.path() / name; }
  void write(const char* name, std::string_view text) const { std::ofstream(file(name)) << text; }

  // Copies one image between two places that skopeo knows.
  void copy(const std::string& from, const std::string& to) const {
    std::string output;
    const int status = test::run_program(
        {*find_program("skopeo"), "--insecure-policy", "copy", "--preserve-digests",
         "--src-tls-verify=false", "--dest-tls-verify=false", from, to},
        file("skopeo.log"), output);
    ASSERT_EQ(status, 0) << output;
  }

  test::SampleStore sample;
};

// The address behind "listening on " in what docker-registry logs.
std::optional<std::string> listen_address(const std::string& log) {
  const auto at = log.find("listening on 127.0.0.1:");
  if (at == std::string::npos) return std::nullopt;
  const auto begin = at + std::string_view("listening on ").size();
  const auto end = log.find_first_not_of("0123456789.:", begin);
  if (end == std::string::npos) return std::nullopt;
  return log.substr(begin, end - begin);
}

TEST_F(RealServers, ReadsADockerRegistryThatSkopeoFilled) {
  const auto program = find_program("docker-registry");
  if (!program || !find_program("skopeo"))
    GTEST_SKIP() << "docker-registry or skopeo is not installed";
  write("registry.yml", util::concat("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ",
                                     file("registry").native(), "\nhttp:\n  addr: 127.0.0.1:0\n"));
  ChildProcess registry({*program, "serve", file("registry.yml").native()}, file("registry.log"));
  ASSERT_TRUE(registry.wait_until([&] { return listen_address(registry.log()).has_value(); }))
      << registry.log();
  const std::string address = *listen_address(registry.log());
  copy("oci:" + sample.path() + ":demo:1", "docker://" + address + "/team/demo:v1");
  test::expect_serves_sample(*open_http_source("http://" + address + "/team/demo"), sample, "v1");
  EXPECT_FALSE(
      open_http_source("http://" + address + "/no/such")->find_manifest("v1", test::in_a_minute()));
}

TEST_F(RealServers, ReadsALayoutDirectoryThroughNginx) {
  const auto program = find_program("nginx");
  if (!program) GTEST_SKIP() << "nginx is not installed";
  // nginx cannot choose a port itself: another process may take this one meanwhile, so try again.
  std::unique_ptr<ChildProcess> nginx;
  std::uint16_t port = 0;
  for (int attempt = 0; attempt < 5 && !nginx; ++attempt) {
    port = http::local_port(http::listen_tcp({"127.0.0.1", 0}).get());
    const std::string root = sample.directory.path().native();
    write("nginx.conf",
          util::concat("daemon off; master_process off; pid ", root,
                       "/nginx.pid; error_log stderr;\n",
                       "events {}\nhttp { access_log off; client_body_temp_path ", root,
                       "/t1; proxy_temp_path ", root, "/t2; fastcgi_temp_path ", root,
                       "/t3; uwsgi_temp_path ", root, "/t4; scgi_temp_path ", root,
                       "/t5; server { listen 127.0.0.1:", port, "; root ", root, "; } }\n"));
    nginx = std::make_unique<ChildProcess>(
        std::vector<std::string>{*program, "-p", root, "-c", file("nginx.conf").native()},
        file("nginx.log"));
    const auto is_up = [port] {
      try {
        return http::connect_tcp("127.0.0.1", port, test::in_a_minute(), "nginx").is_open();
      } catch (const util::Error&) {
        return false;
      }
    };
    if (!nginx->wait_until(is_up)) nginx.reset();
  }
  ASSERT_TRUE(nginx);
  test::expect_serves_sample(*open_http_source(util::concat("http://127.0.0.1:", port, "/store")),
                             sample, "demo:1");
}

TEST_F(RealServers, SkopeoCopiesFromOurServer) {
  if (!find_program("skopeo")) GTEST_SKIP() << "skopeo is not installed";
  const auto server = test::serve(sample.store);
  copy("docker://" + server->url().substr(7) + "/demo:1", "oci:" + file("copy").native() + ":back");
  const auto source = open_store_source(file("copy"));
  const auto found = source->find_manifest("back", test::in_a_minute());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->digest, sample.manifest.digest);
}

}  // namespace
}  // namespace ondemand::source
