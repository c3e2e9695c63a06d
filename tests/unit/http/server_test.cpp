// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "http/client.h"
#include "http/socket.h"
#include "support/temporary_directory.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

const ListenAddress kAnyPort{"127.0.0.1", 0};

TimePoint soon() {
  return steady_clock::now() + std::chrono::seconds(60);
}

ServerResponse text_answer(std::string text) {
  ServerResponse response;
  response.content_type = "text/plain";
  response.body = std::move(text);
  return response;
}

ServerResponse echo(const ServerRequest& request) {
  return text_answer(
      util::concat(request.method, ' ', request.path, ' ', request.headers.get("Range")));
}

std::string get(Client& client, const std::string& target,
                std::optional<util::ByteRange> range = {}) {
  GetRequest request;
  request.target = target;
  request.range = range;
  request.deadline = soon();
  TextReceiver receiver(1 << 24);
  client.get(request, receiver);
  return receiver.text;
}

// Sends raw bytes and returns all that comes back until the server closes.
std::string raw(std::uint16_t port, std::string_view bytes) {
  const auto fd = connect_tcp("127.0.0.1", port, soon(), "test");
  util::write_full(fd.get(), util::as_bytes(bytes), "test");
  std::string out;
  for (;;) {
    if (wait_for(fd.get(), POLLIN, soon()) != Wait::kReady) return out + "(no end)";
    char piece[4096];
    const ssize_t count = ::recv(fd.get(), piece, sizeof piece, 0);
    if (count <= 0) return out;
    out.append(piece, static_cast<std::size_t>(count));
  }
}

TEST(ListenAddress, IsHostAndPort) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:80").host, "127.0.0.1");
  EXPECT_EQ(parse_listen_address("[::1]:0").host, "::1");
  EXPECT_EQ(to_string(parse_listen_address("[::1]:8000")), "[::1]:8000");
  for (const char* text : {"", "80", ":80", "h:", "h:x", "h:65536", "::1:80", "[]:80", "h:-1"})
    EXPECT_THROW(parse_listen_address(text), util::Error) << text;
}

TEST(HttpServer, AnswersWhatTheHandlerSays) {
  const Server server(kAnyPort, echo);
  EXPECT_NE(server.port(), 0);
  Client client(parse_url(server.url()));
  EXPECT_EQ(get(client, "/a%20b?c=d"), "GET /a%20b ");
  // Ranges are the handler's business.
  EXPECT_EQ(get(client, "/a", util::ByteRange{0, 3}), "GET /a bytes=0-2");
}

TEST(HttpServer, StreamsPartOfAFile) {
  const test::TemporaryDirectory directory;
  const std::filesystem::path name = directory.path() / "content";
  std::string content(3'000'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i)
    content[i] = static_cast<char>(i * 7 % 251);
  std::ofstream(name, std::ios::binary) << content;
  const Server server(kAnyPort, [&name](const ServerRequest&) {
    ServerResponse response;
    response.content_type = "application/octet-stream";
    response.file = util::open_file(name, O_RDONLY);
    response.range = {1234, 2'500'000};
    return response;
  });
  Client client(parse_url(server.url()));
  EXPECT_EQ(get(client, "/a"), content.substr(1234, 2'500'000));
  const auto head = raw(server.port(), "HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 2500000\r\n"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(HttpServer, MakesA500OfAnException) {
  const Server server(kAnyPort, [](const ServerRequest&) -> ServerResponse {
    throw util::Error(util::ErrorCode::kIo, "/secret/path: read: failed");
  });
  const auto answer = raw(server.port(), "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_EQ(answer.find("secret"), std::string::npos);
}

TEST(HttpServer, SurvivesRequestsThatAreNone) {
  ServerOptions options;
  options.stall_timeout = milliseconds(50);
  const Server server(kAnyPort, echo, options);
  for (const std::string& text :
       {std::string("\r\n\r\n"), std::string("GET\r\n\r\n"), std::string("GET / HTTP/9.9\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nX: ") + std::string(20'000, 'x') + "\r\n\r\n",
        std::string("GET /") + std::string(20'000, 'x') + " HTTP/1.1\r\n\r\n",
        std::string("GET / HTTP/1.1\r\nIncomplete"), std::string(1000, '\0') + "\r\n\r\n"}) {
    raw(server.port(), text);
  }
  Client client(parse_url(server.url()));
  EXPECT_EQ(get(client, "/a"), "GET /a ");
}

TEST(HttpServer, ClosesAfterAMethodThatMayHaveABody) {
  const Server server(kAnyPort, echo);
  const auto answer =
      raw(server.port(), "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
  EXPECT_EQ(answer.find("400"), std::string::npos) << answer;
}

TEST(HttpServer, ServesMoreConnectionsThanItKeeps) {
  ServerOptions options;
  options.max_connections = 8;
  options.idle_timeout = milliseconds(100);
  const Server server(kAnyPort, echo, options);
  // The thread sanitizer does not see how cpp-httplib, which is not built with it, guards what its
  // first request makes: let that be over.
  Client first(parse_url(server.url()));
  EXPECT_EQ(get(first, "/a"), "GET /a ");
  // Each client keeps its connection alive while others wait for a place.
  std::vector<std::thread> threads;
  for (int i = 0; i < 24; ++i)
    threads.emplace_back([&server] {
      Client client(parse_url(server.url()));
      for (int n = 0; n < 5; ++n)
        EXPECT_EQ(get(client, "/a"), "GET /a ");
    });
  for (auto& thread : threads)
    thread.join();
}

TEST(HttpServer, EndsWhileClientsAreConnectedAndSilent) {
  auto server = std::make_unique<Server>(kAnyPort, echo);
  std::vector<util::Fd> silent;
  for (int i = 0; i < 10; ++i)
    silent.push_back(connect_tcp("127.0.0.1", server->port(), soon(), "test"));
  Client client(parse_url(server->url()));
  EXPECT_EQ(get(client, "/a"), "GET /a ");
  server.reset();
  for (const auto& fd : silent)
    EXPECT_EQ(wait_for(fd.get(), POLLIN, soon()), Wait::kReady);
}

TEST(HttpServer, TellsThatThePortIsInUse) {
  const Server server(kAnyPort, echo);
  try {
    const Server second({"127.0.0.1", server.port()}, echo);
    FAIL();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kIo);
    EXPECT_EQ(error.message(),
              util::concat("127.0.0.1:", server.port(), ": listen: Address already in use"));
  }
}

}  // namespace
}  // namespace ondemand::http
