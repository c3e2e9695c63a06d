// SPDX-License-Identifier: Apache-2.0
//
// The client against servers that behave.
#include "http/client.h"

#include <gtest/gtest.h>

#include <latch>
#include <thread>
#include <vector>

#include "http/server.h"
#include "support/fault_server.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::http {
namespace {

using test::FaultConnection;
using test::FaultServer;
using test::http_answer;

GetRequest request_for(std::string target) {
  GetRequest request;
  request.target = std::move(target);
  request.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  return request;
}

TEST(Client, SendsTheRequestThatWasAskedFor) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send(http_answer("206 Partial Content", "abcde",
                                {"Content-Range: bytes 5-9/100", "Content-Type: Text/Plain; a=b"}));
  });
  Client client(parse_url(server.url()));
  auto request = request_for("/a%20b?c=d");
  request.range = util::ByteRange{5, 5};
  request.headers.add("Accept", "x/y");
  TextReceiver receiver(100);
  const auto response = client.get(request, receiver);
  EXPECT_EQ(response.status, 206);
  EXPECT_EQ(response.media_type(), "text/plain");
  EXPECT_EQ(response.content_length, 5U);
  ASSERT_TRUE(response.content_range);
  EXPECT_EQ(response.content_range->range, (util::ByteRange{5, 5}));
  EXPECT_EQ(response.url, server.url() + "/a%20b?...");

  const std::string head = server.heads().at(0);
  EXPECT_TRUE(head.starts_with("GET /a%20b?c=d HTTP/1.1\r\n")) << head;
  EXPECT_NE(head.find("\r\nRange: bytes=5-9\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("\r\nAccept: x/y\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("\r\nAccept-Encoding: identity\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("\r\nHost: 127.0.0.1:"), std::string::npos) << head;
  EXPECT_EQ(head.find("Authorization"), std::string::npos) << head;
}

// Servers refuse a Host that is an IPv6 address without brackets (RFC 3986 section 3.2.2).
TEST(Client, NamesTheHostAsTheUrlDoes) {
  std::string host;
  const auto answer = [&host](const ServerRequest& request) {
    host = request.headers.get("Host");
    return ServerResponse{};
  };
  for (const std::uint16_t port : {std::uint16_t{0}, std::uint16_t{80}}) {
    std::unique_ptr<Server> server;
    try {
      server = std::make_unique<Server>(ListenAddress{"::1", port}, answer);
    } catch (const util::Error& error) {
      GTEST_SKIP() << error.message();
    }
    const Url url = parse_url(server->url());
    TextReceiver receiver(100);
    Client(url).get(request_for("/"), receiver);
    EXPECT_EQ(host, port == 80 ? "[::1]" : util::concat("[::1]:", server->port()));
  }
}

TEST(Client, ReusesOneConnectionForRequestsInARow) {
  FaultServer server([](FaultConnection& connection, const std::string& head) {
    const bool missing = test::request_target(head) == "/missing";
    connection.send(http_answer(missing ? "404 Not Found" : "200 OK", "text"));
  });
  Client client(parse_url(server.url()));
  for (int i = 0; i < 20; ++i) {
    TextReceiver receiver(100);
    client.get(request_for(i % 2 == 0 ? "/a" : "/missing"), receiver);
    EXPECT_EQ(receiver.text, i % 2 == 0 ? "text" : "");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(Client, ReadsChunkedAndUndelimitedBodies) {
  FaultServer server([](FaultConnection& connection, const std::string& head) {
    if (test::request_target(head) == "/chunked") {
      connection.send(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    } else {
      connection.send("HTTP/1.0 200 OK\r\n\r\nabcde");
      connection.close();
    }
  });
  Client client(parse_url(server.url()));
  for (const char* target : {"/chunked", "/undelimited"}) {
    TextReceiver receiver(100);
    EXPECT_TRUE(client.get(request_for(target), receiver).body_complete);
    EXPECT_EQ(receiver.text, "abcde");
  }
}

TEST(Client, FollowsRedirectsToTheSameAndToAnotherOrigin) {
  FaultServer other([](FaultConnection& connection, const std::string&) {
    connection.send(http_answer("200 OK", "there"));
  });
  FaultServer server([&other](FaultConnection& connection, const std::string& head) {
    const bool again = test::request_target(head) == "/b";
    connection.send(
        http_answer("307 Temporary Redirect", "moved",
                    {again ? "Location: " + other.url() + "/c?sig=secret" : "Location: /b"}));
  });
  Client client(parse_url(server.url()));
  auto request = request_for("/a");
  request.range = util::ByteRange{0, 5};
  for (int i = 0; i < 3; ++i) {
    TextReceiver receiver(100);
    const auto response = client.get(request, receiver);
    EXPECT_EQ(receiver.text, "there");
    EXPECT_EQ(response.url, other.url() + "/c?...");
  }
  EXPECT_EQ(other.connections(), 1);
  EXPECT_NE(other.heads().at(0).find("Range: bytes=0-4"), std::string::npos);
}

TEST(Client, PassesOnWhatTheReceiverThrows) {
  class Thrower : public BodyReceiver {
   public:
    bool begin(const Response&) override { return true; }
    bool data(util::Bytes) override {
      throw util::Error(util::ErrorCode::kIo, "disk: write: full");
    }
  };
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send(http_answer("200 OK", "data"));
  });
  Client client(parse_url(server.url()));
  Thrower receiver;
  try {
    client.get(request_for("/a"), receiver);
    FAIL();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.message(), "disk: write: full");
  }
}

TEST(Client, RunsManyRequestsAtOnce) {
  constexpr int kThreads = 16;
  std::latch all_here(kThreads);
  FaultServer server([&all_here](FaultConnection& connection, const std::string& head) {
    all_here.arrive_and_wait();  // every request is on its way before the first is answered
    connection.send(http_answer("200 OK", test::request_target(head)));
  });
  Client client(parse_url(server.url()));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&client, i] {
      TextReceiver receiver(100);
      client.get(request_for(util::concat("/", i)), receiver);
      EXPECT_EQ(receiver.text, util::concat("/", i));
    });
  for (auto& thread : threads)
    thread.join();
}

TEST(Client, TellsThatAHostIsUnknown) {
  Client client(parse_url("http://no-such-host.invalid:1/"));
  TextReceiver receiver(100);
  try {
    client.get(request_for("/a"), receiver);
    FAIL();
  } catch (const util::Error& error) {
    // A machine without a name service may only find out by waiting.
    EXPECT_TRUE(error.code() == util::ErrorCode::kUnavailable ||
                error.code() == util::ErrorCode::kTimeout);
    EXPECT_NE(error.message().find("resolve: "), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace ondemand::http
