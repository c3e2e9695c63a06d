// SPDX-License-Identifier: Apache-2.0
//
// The client against servers that misbehave.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>

#include "http/client.h"
#include "support/fault_server.h"
#include "support/refused_call.h"
#include "util/error.h"

namespace ondemand::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::FaultConnection;
using test::FaultServer;
using test::http_answer;
using util::ErrorCode;

class Collector : public BodyReceiver {
 public:
  bool begin(const Response& response) override {
    body.clear();
    status = response.status;
    return want;
  }
  bool data(util::Bytes bytes) override {
    body.append(util::as_text(bytes));
    return body.size() < stop_at;
  }
  bool want = true;
  std::size_t stop_at = SIZE_MAX;
  int status = 0;
  std::string body;
};

GetRequest request_for(std::string target, milliseconds deadline = milliseconds(20'000)) {
  GetRequest request;
  request.target = std::move(target);
  request.deadline = steady_clock::now() + deadline;
  return request;
}

// The error of one GET, with its message for the test's output.
ErrorCode failure_of(const FaultServer& server, const GetRequest& request,
                     std::string* message = nullptr) {
  Client client(parse_url(server.url()));
  Collector receiver;
  try {
    client.get(request, receiver);
  } catch (const util::Error& error) {
    if (message != nullptr) *message = error.message();
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

TEST(ClientFault, RefusedConnectionIsUnavailable) {
  Client client(parse_url(test::refused_url()));
  Collector receiver;
  try {
    client.get(request_for("/a"), receiver);
    FAIL();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_EQ(error.message(), test::refused_url() + "/a: connect: Connection refused");
  }
}

TEST(ClientFault, NoThreadForTheLookUpIsUnavailable) {
  constexpr int kNoFilters = 77;
  const pid_t child = ::fork();
  if (child == 0) {
    if (!test::refuse_call(SYS_clone3, EAGAIN) || !test::refuse_call(SYS_clone, EAGAIN))
      ::_exit(kNoFilters);
    Client client(parse_url("http://no-such-host.invalid:1"));
    Collector receiver;
    try {
      client.get(request_for("/a"), receiver);
    } catch (const util::Error& error) {
      ::_exit(error.code() == ErrorCode::kUnavailable ? 0 : 1);
    } catch (...) {
      ::_exit(2);
    }
    ::_exit(3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoFilters) GTEST_SKIP() << "no filters of system calls here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(ClientFault, ShortBodyIsUnavailable) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    connection.close();
  });
  std::string message;
  EXPECT_EQ(failure_of(server, request_for("/a"), &message), ErrorCode::kUnavailable);
  EXPECT_EQ(message, server.url() + "/a: get: connection closed early");
}

TEST(ClientFault, ResetIsUnavailable) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    connection.reset();
  });
  EXPECT_EQ(failure_of(server, request_for("/a")), ErrorCode::kUnavailable);
}

TEST(ClientFault, CloseOnAFreshConnectionIsUnavailableAndNotRetried) {
  FaultServer server([](FaultConnection& connection, const std::string&) { connection.close(); });
  EXPECT_EQ(failure_of(server, request_for("/a")), ErrorCode::kUnavailable);
  EXPECT_EQ(server.requests(), 1);
}

TEST(ClientFault, GarbageIsUnavailable) {
  for (const char* text : {"SSH-2.0-OpenSSH_9\r\n", "\r\n\r\n\r\n", "HTTP/1.1 2xx OK\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length"}) {
    FaultServer server([text](FaultConnection& connection, const std::string&) {
      connection.send(text);
      connection.close();
    });
    EXPECT_EQ(failure_of(server, request_for("/a")), ErrorCode::kUnavailable) << text;
  }
}

TEST(ClientFault, SilenceEndsAtTheDeadline) {
  FaultServer server([](FaultConnection& connection, const std::string&) { connection.hold(); });
  std::string message;
  EXPECT_EQ(failure_of(server, request_for("/a", milliseconds(50)), &message), ErrorCode::kTimeout);
  EXPECT_EQ(message, server.url() + "/a: get: deadline passed");
}

TEST(ClientFault, SilenceInsideABodyEndsAtTheStallTimeout) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    connection.hold();
  });
  auto request = request_for("/a");
  request.stall_timeout = milliseconds(50);
  std::string message;
  EXPECT_EQ(failure_of(server, request, &message), ErrorCode::kTimeout);
  EXPECT_EQ(message, server.url() + "/a: get: no progress in 50 ms");
}

TEST(ClientFault, TrickleOfSingleBytesIsAStall) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    while (connection.send("x") && connection.pause(2)) {
    }
  });
  auto request = request_for("/a");
  request.stall_timeout = milliseconds(80);
  EXPECT_EQ(failure_of(server, request), ErrorCode::kTimeout);
}

TEST(ClientFault, TrickleOfHeaderBytesEndsAtTheDeadline) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\nX: ");
    while (connection.send("x") && connection.pause(2)) {
    }
  });
  EXPECT_EQ(failure_of(server, request_for("/a", milliseconds(80))), ErrorCode::kTimeout);
}

TEST(ClientFault, EndlessHeadersAreCutOff) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\n");
    while (connection.send("X-Header: value\r\n")) {
    }
  });
  std::string message;
  EXPECT_EQ(failure_of(server, request_for("/a"), &message), ErrorCode::kUnavailable);
  EXPECT_NE(message.find("header of the answer is too large"), std::string::npos) << message;
}

TEST(ClientFault, EndlessInterimAnswersAreCutOff) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    while (connection.send("HTTP/1.1 100 Continue\r\n\r\n")) {
    }
  });
  EXPECT_EQ(failure_of(server, request_for("/a")), ErrorCode::kUnavailable);
}

TEST(ClientFault, HugeHeaderLineIsCutOff) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\nX: ");
    while (connection.send(std::string(4096, 'x'))) {
    }
  });
  EXPECT_EQ(failure_of(server, request_for("/a")), ErrorCode::kUnavailable);
}

TEST(ClientFault, TruncatedChunkedBodyIsUnavailable) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf");
    connection.close();
  });
  EXPECT_EQ(failure_of(server, request_for("/a")), ErrorCode::kUnavailable);
}

TEST(ClientFault, EndlessBodyStopsWhenTheReceiverHasEnough) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 200 OK\r\n\r\n");
    while (connection.send(std::string(4096, 'x'))) {
    }
  });
  Client client(parse_url(server.url()));
  Collector receiver;
  receiver.stop_at = 10'000;
  const auto response = client.get(request_for("/a"), receiver);
  EXPECT_FALSE(response.body_complete);
  EXPECT_LT(receiver.body.size(), 200'000U);
}

TEST(ClientFault, UnwantedEndlessBodyIsNotRead) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 500 No\r\n\r\n");
    while (connection.send(std::string(4096, 'x'))) {
    }
  });
  Client client(parse_url(server.url()));
  Collector receiver;
  receiver.want = false;
  EXPECT_EQ(client.get(request_for("/a"), receiver).status, 500);
  EXPECT_TRUE(receiver.body.empty());
}

TEST(ClientFault, TextReceiverRefusesMoreThanItsLimit) {
  FaultServer server([](FaultConnection& connection, const std::string& head) {
    if (test::request_target(head) == "/told") connection.send(http_answer("200 OK", "123456"));
    connection.send("HTTP/1.1 200 OK\r\n\r\n123456");
    connection.close();
  });
  for (const char* target : {"/told", "/untold"}) {
    Client client(parse_url(server.url()));
    TextReceiver receiver(5);
    try {
      client.get(request_for(target), receiver);
      ADD_FAILURE();
    } catch (const util::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kTooLarge);
    }
  }
}

TEST(ClientFault, StaleKeptAliveConnectionIsReplacedOnce) {
  std::atomic<int> answered{0};
  FaultServer server([&answered](FaultConnection& connection, const std::string&) {
    // The second request on a connection finds it closed, after it was sent.
    if (answered++ == 1) return connection.close();
    connection.send(http_answer("200 OK", "data"));
  });
  Client client(parse_url(server.url()));
  for (int i = 0; i < 2; ++i) {
    Collector receiver;
    EXPECT_TRUE(client.get(request_for("/a"), receiver).body_complete);
    EXPECT_EQ(receiver.body, "data");
  }
  EXPECT_EQ(server.requests(), 3);
  EXPECT_EQ(server.connections(), 2);
}

TEST(ClientFault, BytesBeyondTheAnswerEndTheConnection) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send(http_answer("200 OK", "data") +
                    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  });
  Client client(parse_url(server.url()));
  for (int i = 0; i < 2; ++i) {
    Collector receiver;
    client.get(request_for("/a"), receiver);
    EXPECT_EQ(receiver.body, "data");
  }
  EXPECT_EQ(server.connections(), 2);
}

TEST(ClientFault, WhatAServerSaysUnaskedIsNoAnswer) {
  std::promise<void> collected;
  std::promise<void> said;
  std::atomic<int> count{0};
  FaultServer server([&](FaultConnection& connection, const std::string&) {
    connection.send(http_answer("200 OK", "data"));
    if (count++ > 0) return;
    collected.get_future().wait();
    // As load balancers do before they close an idle connection.
    connection.send(http_answer("408 Request Timeout", "", {"Connection: close"}));
    connection.flush();
    said.set_value();
  });
  Client client(parse_url(server.url()));
  Collector receiver;
  client.get(request_for("/a"), receiver);
  collected.set_value();
  said.get_future().wait();
  client.get(request_for("/a"), receiver);
  EXPECT_EQ(receiver.status, 200);
  EXPECT_EQ(receiver.body, "data");
  EXPECT_EQ(server.connections(), 2);
}

TEST(ClientFault, AnAnswerThatHasNoBodyIsToldLikeAnyOther) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send("HTTP/1.1 204 No Content\r\n\r\n");
  });
  Client client(parse_url(server.url()));
  Collector receiver;
  const Response response = client.get(request_for("/a"), receiver);
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.url, server.url() + "/a");
  EXPECT_EQ(receiver.status, 204);
}

TEST(ClientFault, RedirectLoopIsCutOff) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send(http_answer("302 Found", "", {"Location: /again"}));
  });
  std::string message;
  EXPECT_EQ(failure_of(server, request_for("/a"), &message), ErrorCode::kUnavailable);
  EXPECT_NE(message.find("more than 5 redirects"), std::string::npos) << message;
  EXPECT_EQ(server.requests(), 6);
}

TEST(ClientFault, RedirectToHttpsIsUnsupportedAndNamesNoSecret) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send(
        http_answer("307 Temporary Redirect", "", {"Location: https://cdn/x?sig=secret"}));
  });
  std::string message;
  EXPECT_EQ(failure_of(server, request_for("/a"), &message), ErrorCode::kUnsupported);
  EXPECT_EQ(message.find("secret"), std::string::npos) << message;
  EXPECT_NE(message.find("https"), std::string::npos) << message;
}

TEST(ClientFault, RedirectToAnotherSchemeIsUnavailable) {
  FaultServer server([](FaultConnection& connection, const std::string&) {
    connection.send(http_answer("302 Found", "", {"Location: file:///etc/passwd"}));
  });
  EXPECT_EQ(failure_of(server, request_for("/a")), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace ondemand::http
