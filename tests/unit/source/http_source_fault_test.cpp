// SPDX-License-Identifier: Apache-2.0
//
// The HTTP source against origins that lie, break off, or are not what they seem.
#include <gtest/gtest.h>

#include <atomic>

#include "hash/sha256.h"
#include "source/http_source.h"
#include "support/fake_clock.h"
#include "support/fault_server.h"
#include "util/text.h"

namespace ondemand::source {
namespace {

using std::chrono::milliseconds;
using test::FaultConnection;
using test::FaultServer;
using test::http_answer;
using util::ErrorCode;

const hash::Digest kBlob = hash::sha256(util::as_bytes("blob"));

// An origin that answers the registry's probe and leaves all else to the script.
FaultServer::Handler registry(FaultServer::Handler script) {
  return [script = std::move(script)](FaultConnection& connection, const std::string& head) {
    if (test::request_target(head) == "/v2/") {
      connection.send(http_answer("200 OK", "{}"));
    } else {
      script(connection, head);
    }
  };
}
FaultServer::Handler always(std::string answer) {
  return registry([answer = std::move(answer)](FaultConnection& connection, const std::string&) {
    connection.send(answer);
  });
}

struct Fixture {
  explicit Fixture(FaultServer::Handler handler) : server(std::move(handler)) {
    HttpSourceOptions options;
    options.clock = &clock;
    source = open_http_source(server.url() + "/repo", options);
  }
  // Reads [10, 15) and returns the error's code.
  ErrorCode read_failure(milliseconds deadline = milliseconds(60'000)) {
    return failure([&] {
      util::Buffer out(5);
      source->read_blob(kBlob, 10, out, std::chrono::steady_clock::now() + deadline);
    });
  }
  ErrorCode manifest_failure(const std::string& reference) {
    return failure([&] {
      source->find_manifest(reference, std::chrono::steady_clock::now() + milliseconds(60'000));
    });
  }
  ErrorCode failure(const std::function<void()>& call) {
    try {
      call();
    } catch (const util::Error& error) {
      message = error.message();
      return error.code();
    }
    ADD_FAILURE() << "no error";
    return ErrorCode::kInternal;
  }
  int reads() const { return server.requests() - 1; }  // the probe does not count

  test::FakeClock clock;
  FaultServer server;
  std::unique_ptr<Source> source;
  std::string message;
};

TEST(HttpSourceFault, WrongAnswersToARangeAreErrorsOfTheOriginAndNotRetried) {
  struct Case {
    const char* what;
    std::string answer;
    ErrorCode code;
  };
  const std::vector<Case> cases{
      {"another range",
       http_answer("206 Partial Content", "12345", {"Content-Range: bytes 0-4/100"}),
       ErrorCode::kCorrupt},
      {"a shorter range",
       http_answer("206 Partial Content", "123", {"Content-Range: bytes 10-12/13"}),
       ErrorCode::kCorrupt},
      {"no Content-Range", http_answer("206 Partial Content", "12345"), ErrorCode::kCorrupt},
      {"several parts",
       http_answer("206 Partial Content", "12345",
                   {"Content-Type: multipart/byteranges; boundary=x"}),
       ErrorCode::kCorrupt},
      {"the whole", http_answer("200 OK", std::string(100, 'x')), ErrorCode::kCorrupt},
      {"a log-in page", http_answer("200 OK", "<html>", {"Content-Type: text/html"}),
       ErrorCode::kCorrupt},
      {"416", http_answer("416 Range Not Satisfiable", "", {"Content-Range: bytes */7"}),
       ErrorCode::kCorrupt},
      {"401", http_answer("401 Unauthorized", "", {"WWW-Authenticate: Bearer realm=x"}),
       ErrorCode::kUnavailable},
      {"403", http_answer("403 Forbidden", ""), ErrorCode::kUnavailable},
      {"a long body",
       "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-14/100\r\nTransfer-Encoding: "
       "chunked\r\n\r\n6\r\n123456\r\n0\r\n\r\n",
       ErrorCode::kCorrupt},
      {"a short chunked body",
       "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-14/100\r\nTransfer-Encoding: "
       "chunked\r\n\r\n4\r\n1234\r\n0\r\n\r\n",
       ErrorCode::kCorrupt},
  };
  for (const auto& [what, answer, code] : cases) {
    Fixture fixture(always(answer));
    EXPECT_EQ(fixture.read_failure(), code) << what << ": " << fixture.message;
    EXPECT_TRUE(fixture.message.starts_with(fixture.server.url() + "/v2/repo/blobs/sha256:"))
        << fixture.message;
    EXPECT_NE(fixture.message.find("status "), std::string::npos) << fixture.message;
    EXPECT_EQ(fixture.reads(), 1) << what;
  }
}

TEST(HttpSourceFault, TellsThatAuthenticationIsNotThereYet) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send(http_answer("401 Unauthorized", ""));
  });
  const auto source = open_http_source(server.url() + "/repo");
  try {
    source->find_manifest("1", std::chrono::steady_clock::now() + milliseconds(60'000));
    FAIL();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_EQ(error.message(), server.url() +
                                   "/v2/repo/manifests/1: get: status 401: needs "
                                   "authentication, which is not supported yet");
  }
}

TEST(HttpSourceFault, BrokenConnectionsAndServerErrorsAreTriedThreeTimes) {
  const std::vector<FaultServer::Handler> scripts{
      always(http_answer("500 Internal Server Error", "")),
      always(http_answer("503 Service Unavailable", "<html>")),
      always(http_answer("429 Too Many Requests", "")),
      registry([](FaultConnection& connection, const std::string&) {
        connection.send(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-14/100\r\nContent-Length: "
            "5\r\n\r\n123");
        connection.close();
      }),
      registry([](FaultConnection& connection, const std::string&) {
        connection.send("HTTP/1.1 206 Partial");
        connection.reset();
      })};
  for (const auto& script : scripts) {
    Fixture fixture(script);
    EXPECT_EQ(fixture.read_failure(), ErrorCode::kUnavailable) << fixture.message;
    EXPECT_EQ(fixture.reads(), 3) << fixture.message;
    EXPECT_EQ(fixture.clock.pauses(), (std::vector<std::int64_t>{50, 100}));
  }
}

TEST(HttpSourceFault, RefusedConnectionIsUnavailableAfterThreeTries) {
  test::FakeClock clock;
  HttpSourceOptions options;
  options.clock = &clock;
  const auto source = open_http_source(test::refused_url() + "/repo", options);
  EXPECT_THROW(source->find_manifest("1", std::chrono::steady_clock::now() + milliseconds(60'000)),
               util::Error);
  EXPECT_EQ(clock.pauses().size(), 2U);
}

TEST(HttpSourceFault, SecondAttemptReplacesWhatTheFirstLeft) {
  std::atomic<int> count{0};
  Fixture fixture(registry([&count](FaultConnection& connection, const std::string&) {
    const std::string head =
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-14/100\r\nContent-Length: "
        "5\r\n\r\n";
    const bool is_first = count++ == 0;
    connection.send(head + (is_first ? "xxx" : "12345"));
    if (is_first) connection.close();
  }));
  util::Buffer out(5);
  ASSERT_TRUE(fixture.source->read_blob(kBlob, 10, out,
                                        std::chrono::steady_clock::now() + milliseconds(60'000)));
  EXPECT_EQ(util::as_text(out), "12345");
}

TEST(HttpSourceFault, RetryAfterIsHonouredWhereItFits) {
  std::atomic<int> count{0};
  Fixture fixture(registry([&count](FaultConnection& connection, const std::string&) {
    if (count++ == 0) {
      connection.send(http_answer("429 Too Many Requests", "", {"Retry-After: 7"}));
    } else {
      connection.send(http_answer("404 Not Found", ""));
    }
  }));
  util::Buffer out(5);
  EXPECT_FALSE(fixture.source->read_blob(kBlob, 10, out,
                                         std::chrono::steady_clock::now() + milliseconds(60'000)));
  EXPECT_EQ(fixture.clock.pauses(), (std::vector<std::int64_t>{7'000}));
}

TEST(HttpSourceFault, SilenceEndsAtTheDeadline) {
  Fixture fixture(
      registry([](FaultConnection& connection, const std::string&) { connection.hold(); }));
  EXPECT_EQ(fixture.read_failure(milliseconds(100)), ErrorCode::kTimeout);
}

TEST(HttpSourceFault, FailedProbeIsNotRemembered) {
  std::atomic<bool> is_down{true};
  Fixture fixture([&is_down](FaultConnection& connection, const std::string& head) {
    if (is_down) return connection.send(http_answer("503 Service Unavailable", "")), void();
    connection.send(test::request_target(head) == "/v2/" ? http_answer("200 OK", "{}")
                                                         : http_answer("404 Not Found", ""));
  });
  EXPECT_EQ(fixture.read_failure(), ErrorCode::kUnavailable);
  is_down = false;
  util::Buffer out(5);
  EXPECT_FALSE(fixture.source->read_blob(kBlob, 10, out,
                                         std::chrono::steady_clock::now() + milliseconds(60'000)));
}

// What a proxy answers before it knows where the registry is.
TEST(HttpSourceFault, NotFoundInPlaceOfARegistryIsNotRemembered) {
  std::atomic<bool> is_starting{true};
  Fixture fixture([&is_starting](FaultConnection& connection, const std::string& head) {
    const std::string target = test::request_target(head);
    if (is_starting || !target.starts_with("/v2/")) {
      connection.send(http_answer("404 Not Found", "default backend"));
    } else if (target == "/v2/") {
      connection.send(http_answer("200 OK", "{}"));
    } else {
      connection.send(
          http_answer("206 Partial Content", "12345", {"Content-Range: bytes 10-14/100"}));
    }
  });
  util::Buffer out(5);
  EXPECT_FALSE(fixture.source->read_blob(kBlob, 10, out,
                                         std::chrono::steady_clock::now() + milliseconds(60'000)));
  is_starting = false;
  EXPECT_TRUE(fixture.source->read_blob(kBlob, 10, out,
                                        std::chrono::steady_clock::now() + milliseconds(60'000)));
}

TEST(HttpSourceFault, AStaticServerIsAskedOnceWhetherItIsARegistry) {
  std::atomic<int> probes{0};
  Fixture fixture([&probes](FaultConnection& connection, const std::string& head) {
    const bool is_probe = test::request_target(head) == "/v2/";
    if (is_probe) ++probes;
    connection.send(
        is_probe ? http_answer("404 Not Found", "")
                 : http_answer("206 Partial Content", "12345", {"Content-Range: bytes 10-14/100"}));
  });
  for (int i = 0; i < 3; ++i) {
    util::Buffer out(5);
    EXPECT_TRUE(fixture.source->read_blob(kBlob, 10, out,
                                          std::chrono::steady_clock::now() + milliseconds(60'000)));
  }
  EXPECT_EQ(probes, 1);
}

TEST(HttpSourceFault, ManifestsOfAnotherDigestAreRefused) {
  Fixture wrong(always(http_answer("200 OK", "{}")));
  EXPECT_EQ(wrong.manifest_failure(kBlob.to_string()), ErrorCode::kDigestMismatch);
  Fixture told(
      always(http_answer("200 OK", "{}", {"Docker-Content-Digest: " + kBlob.to_string()})));
  EXPECT_EQ(told.manifest_failure("tag"), ErrorCode::kDigestMismatch);
}

TEST(HttpSourceFault, ThingsInPlaceOfAManifestAreRefused) {
  Fixture page(always(http_answer("200 OK", "<html>", {"Content-Type: text/html; charset=utf-8"})));
  EXPECT_EQ(page.manifest_failure("tag"), ErrorCode::kUnavailable);
  Fixture packed(always(http_answer("200 OK", "\x1f\x8b", {"Content-Encoding: gzip"})));
  EXPECT_EQ(packed.manifest_failure(kBlob.to_string()), ErrorCode::kCorrupt);
  EXPECT_TRUE(
      packed.message.ends_with(": status 200: content coding 'gzip' that was not asked for"))
      << packed.message;
  Fixture garbage(always(http_answer("200 OK", "nonsense")));
  EXPECT_EQ(garbage.manifest_failure("tag"), ErrorCode::kCorrupt);
  Fixture endless(registry([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\n\r\n");
    while (connection.send(std::string(65536, ' '))) {
    }
  }));
  EXPECT_EQ(endless.manifest_failure("tag"), ErrorCode::kTooLarge);
}

std::string sample_content(std::size_t size) {
  std::string content(size, '\0');
  for (std::size_t i = 0; i < content.size(); ++i)
    content[i] = static_cast<char>(i % 249);
  return content;
}

// Answers with the range that was asked for, and breaks off after `limit` bytes.
void send_part(FaultConnection& connection, const std::string& head, const std::string& content,
               std::size_t limit) {
  std::size_t begin = 0;
  const auto range = head.find("Range: bytes=");
  if (range != std::string::npos) begin = std::stoul(head.substr(range + 13));
  const std::string rest = content.substr(begin);
  const std::string first =
      range == std::string::npos
          ? "HTTP/1.1 200 OK\r\n"
          : util::concat("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ", begin, "-",
                         content.size() - 1, "/", content.size(), "\r\n");
  connection.send(util::concat(first, "Content-Length: ", rest.size(), "\r\n\r\n"));
  connection.send(rest.substr(0, limit));
  if (limit < rest.size()) connection.close();
}

TEST(HttpSourceFault, CopyGoesOnWhereItBrokeOff) {
  const std::string content = sample_content(3'000'000);
  std::atomic<int> count{0};
  Fixture fixture(registry([&](FaultConnection& connection, const std::string& head) {
    // Breaks off four times, each time a little further on.
    send_part(connection, head, content, count++ == 4 ? content.size() : 100'000);
  }));
  HttpSourceOptions options;
  options.clock = &fixture.clock;
  options.retry.attempts = 5;
  fixture.source = open_http_source(fixture.server.url() + "/repo", options);
  util::BufferSink sink;
  ASSERT_TRUE(fixture.source->copy_blob(kBlob, content.size(), sink, milliseconds(10'000)));
  EXPECT_EQ(util::as_text(sink.buffer), content);
}

TEST(HttpSourceFault, CopyOutlivesAnyNumberOfOutagesBetweenWhichItMovesOn) {
  const std::string content = sample_content(10'000'000);
  std::atomic<int> count{0};
  Fixture fixture(registry([&](FaultConnection& connection, const std::string& head) {
    // Two times out of three it is away, for longer than three stalls in all.
    if (count++ % 3 == 0) return send_part(connection, head, content, 2'000'000);
    connection.send(http_answer("503 Service Unavailable", "", {"Retry-After: 8"}));
  }));
  util::BufferSink sink;
  ASSERT_TRUE(fixture.source->copy_blob(kBlob, content.size(), sink, milliseconds(10'000)));
  EXPECT_EQ(util::as_text(sink.buffer), content);
  EXPECT_EQ(fixture.clock.pauses(), std::vector<std::int64_t>(8, 8'000));
}

TEST(HttpSourceFault, CopyOfAnotherSizeIsRefused) {
  Fixture fixture(always(http_answer("200 OK", "123456")));
  util::BufferSink sink;
  EXPECT_EQ(
      fixture.failure([&] { fixture.source->copy_blob(kBlob, 5, sink, milliseconds(10'000)); }),
      ErrorCode::kCorrupt);
  EXPECT_TRUE(sink.buffer.empty());
}

TEST(HttpSourceFault, CopyThatStallsEnds) {
  Fixture fixture(registry([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12");
    connection.hold();
  }));
  util::BufferSink sink;
  EXPECT_EQ(fixture.failure([&] { fixture.source->copy_blob(kBlob, 5, sink, milliseconds(50)); }),
            ErrorCode::kTimeout);
}

TEST(HttpSourceFault, EmptyBlobIsCopied) {
  Fixture fixture(always(http_answer("200 OK", "")));
  util::BufferSink sink;
  EXPECT_TRUE(fixture.source->copy_blob(kBlob, 0, sink, milliseconds(10'000)));
}

}  // namespace
}  // namespace ondemand::source
