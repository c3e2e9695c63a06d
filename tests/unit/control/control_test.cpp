// SPDX-License-Identifier: Apache-2.0
#include "control/control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <latch>
#include <thread>
#include <vector>

#include "hash/sha256.h"
#include "support/temporary_directory.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using util::ErrorCode;

constexpr auto kLong = seconds(60);

std::string echo(const Request& request) {
  return ok_reply(util::concat(R"({"got":)", to_json(request), "}"));
}

util::Fd connect_raw(const std::filesystem::path& root) {
  util::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_path(root).native();
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

// Everything up to the end, which the server makes; a broken connection is an end too.
std::string read_to_end(int fd) {
  std::string out;
  char piece[4096];
  for (;;) {
    const ssize_t count = ::recv(fd, piece, sizeof piece, 0);
    if (count <= 0) return out;
    out.append(piece, static_cast<std::size_t>(count));
  }
}

ErrorCode failure_of(const std::filesystem::path& root, std::string_view request,
                     std::string* message) {
  try {
    call(root, request, kLong);
  } catch (const util::Error& error) {
    *message = error.message();
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

TEST(ControlMessage, RequestsSurviveARoundTrip) {
  const Request request{"register", "sha256:ab\"\\\n"};
  const Request back = parse_request(to_json(request));
  EXPECT_EQ(back.op, request.op);
  EXPECT_EQ(back.image, request.image);
  EXPECT_EQ(to_json({"ping", ""}), R"({"op":"ping"})");
}

TEST(ControlMessage, RefusesWhatIsNoRequest) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("1"), std::string("{}"),
        std::string(R"({"op":1})"), std::string(R"({"op":""})"),
        std::string(R"({"op":"x","image":[]})"), std::string("\xff"),
        std::string(R"({"op":"x"} {})"), std::string("{\"op\":\"\xff\"}"),
        R"({"op":"x","y":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}"}) {
    try {
      parse_request(text);
      ADD_FAILURE() << text.substr(0, 100);
    } catch (const util::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    }
  }
}

TEST(ControlMessage, RepliesAreOneLineOfJsonWhateverTheMessage) {
  EXPECT_EQ(ok_reply(), R"({"ok":true})");
  EXPECT_EQ(ok_reply(R"({"images":2})"), R"({"ok":true,"images":2})");
  // An escape that a name got before is not escaped again.
  EXPECT_EQ(error_reply("a\nb\\x0a\xff"), "{\"error\":\"a\\nb\\\\x0a\xef\xbf\xbd\",\"ok\":false}");
}

TEST(Control, AnswersACall) {
  const test::TemporaryDirectory root;
  const Server server(root.path(), echo);
  EXPECT_EQ(call(root.path(), R"({"op":"ping"})", kLong), R"({"ok":true,"got":{"op":"ping"}})");
  EXPECT_EQ(call(root.path(), "{\n\"op\":\n\"ping\"}", kLong),
            R"({"ok":true,"got":{"op":"ping"}})");
}

TEST(Control, RegistersAnImage) {
  const test::TemporaryDirectory root;
  const auto digest = hash::sha256(util::as_bytes("manifest"));
  EXPECT_FALSE(register_image(root.path(), digest, kLong));
  std::promise<std::string> image;
  const Server server(root.path(), [&image](const Request& request) {
    image.set_value(request.image);
    return ok_reply();
  });
  EXPECT_EQ(register_image(root.path(), digest, kLong), "");
  EXPECT_EQ(image.get_future().get(), digest.to_string());
}

TEST(Control, TellsTheTransportOfARegisteredImage) {
  const test::TemporaryDirectory root;
  const auto digest = hash::sha256(util::as_bytes("manifest"));
  std::string reply = R"({"ok":true,"transport":"cachefiles"})";
  const Server server(root.path(), [&](const Request&) { return reply; });
  EXPECT_EQ(register_image(root.path(), digest, kLong), "cachefiles");
  reply = R"({"ok":true,"transport":7})";
  EXPECT_EQ(register_image(root.path(), digest, kLong), "");
}

TEST(Control, FindsNoDaemonWhereNoneListens) {
  const test::TemporaryDirectory root;
  EXPECT_EQ(call(root.path() / "missing", "{}", kLong), std::nullopt);
  EXPECT_EQ(call(root.path(), "{}", kLong), std::nullopt);
  { const Server server(root.path(), echo); }
  EXPECT_FALSE(std::filesystem::exists(socket_path(root.path())));
  std::ofstream(socket_path(root.path())) << "a file";
  EXPECT_EQ(call(root.path(), "{}", kLong), std::nullopt);
}

TEST(Control, PassesOnTheDaemonsOwnWords) {
  const test::TemporaryDirectory root;
  const Server server(root.path(), [](const Request& request) -> std::string {
    if (request.op == "bug") throw std::runtime_error("broken");
    throw util::Error(ErrorCode::kNotFound, "sha256:0: register: not prepared");
  });
  std::string message;
  EXPECT_EQ(failure_of(root.path(), R"({"op":"x"})", &message), ErrorCode::kUnavailable);
  EXPECT_EQ(message, "demandd: sha256:0: register: not prepared");
  failure_of(root.path(), R"({"op":"bug"})", &message);
  EXPECT_EQ(message, "demandd: internal error: broken");
  failure_of(root.path(), "not json", &message);
  EXPECT_EQ(message, "demandd: request: parse: not a JSON object");
}

TEST(Control, TimesOutOnASilentDaemon) {
  const test::TemporaryDirectory root;
  std::latch release(1);
  const Server server(root.path(), [&release](const Request&) {
    release.wait();
    return ok_reply();
  });
  try {
    call(root.path(), R"({"op":"x"})", milliseconds(50));
    ADD_FAILURE();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kTimeout);
  }
  release.count_down();
}

TEST(Control, RefusesRepliesThatAreNone) {
  const test::TemporaryDirectory root;
  for (const char* reply : {"", "nonsense", "[]", "{}", R"({"ok":1})"}) {
    const Server server(root.path(), [reply](const Request&) { return std::string(reply); });
    std::string message;
    EXPECT_EQ(failure_of(root.path(), R"({"op":"x"})", &message), ErrorCode::kCorrupt) << reply;
  }
}

TEST(Control, AnswersSeveralRequestsOnOneConnection) {
  const test::TemporaryDirectory root;
  const Server server(root.path(), echo);
  const auto fd = connect_raw(root.path());
  util::write_full(fd.get(), util::as_bytes("{\"op\":\"a\"}\nbad\n{\"op\":\"b\"}\n"), "test");
  ::shutdown(fd.get(), SHUT_WR);
  const auto replies = read_to_end(fd.get());
  EXPECT_EQ(replies,
            "{\"ok\":true,\"got\":{\"op\":\"a\"}}\n"
            "{\"error\":\"request: parse: not a JSON object\",\"ok\":false}\n"
            "{\"ok\":true,\"got\":{\"op\":\"b\"}}\n");
}

TEST(Control, EndsAnOverlongLineAndGoesOn) {
  const test::TemporaryDirectory root;
  const Server server(root.path(), echo);
  const auto fd = connect_raw(root.path());
  const std::string piece(64 * 1024, 'x');
  for (int i = 0; i < 100; ++i)
    if (::send(fd.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
  EXPECT_EQ(read_to_end(fd.get()), "");
  EXPECT_TRUE(call(root.path(), R"({"op":"x"})", kLong));
}

TEST(Control, RepliesMayBeLongerThanRequests) {
  const test::TemporaryDirectory root;
  std::size_t size = 8 * kMaxRequestBytes;
  const Server server(root.path(), [&size](const Request&) {
    return ok_reply(util::concat(R"({"text":")", std::string(size, 'x'), "\"}"));
  });
  const auto reply = call(root.path(), R"({"op":"x"})", kLong);
  ASSERT_TRUE(reply);
  EXPECT_GT(reply->size(), size);
  size = kMaxReplyBytes;
  std::string message;
  EXPECT_EQ(failure_of(root.path(), R"({"op":"x"})", &message), ErrorCode::kUnavailable);
  EXPECT_EQ(message, "demandd: reply: send: longer than one line may be");
}

TEST(Control, EndsASlowClientAndGoesOn) {
  const test::TemporaryDirectory root;
  const Server server(root.path(), echo, {.connections = 2, .line_timeout = milliseconds(50)});
  // More silent clients than places: the call waits until they are dropped.
  std::vector<util::Fd> silent;
  for (int i = 0; i < 5; ++i) {
    silent.push_back(connect_raw(root.path()));
    ::send(silent.back().get(), "{\"op\"", 5, MSG_NOSIGNAL);  // may come too late already
  }
  // An honest client that is held up between connect and send is dropped too; it comes again.
  bool is_answered = false;
  for (int attempt = 0; attempt < 1000 && !is_answered; ++attempt) {
    try {
      is_answered = call(root.path(), R"({"op":"x"})", kLong).has_value();
    } catch (const util::Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kTimeout) << error.what();
    }
  }
  EXPECT_TRUE(is_answered);
  for (const auto& fd : silent)
    EXPECT_EQ(read_to_end(fd.get()), "");
}

TEST(Control, AnswersManyClientsAtOnce) {
  const test::TemporaryDirectory root;
  constexpr int kClients = 8;
  std::latch all_here(kClients);
  const Server server(root.path(), [&all_here](const Request& request) {
    all_here.arrive_and_wait();
    return echo(request);
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i)
    threads.emplace_back([&root, i] {
      const auto reply = call(root.path(), util::concat("{\"op\":\"", i, "\"}"), kLong);
      EXPECT_EQ(reply, util::concat(R"({"ok":true,"got":{"op":")", i, R"("}})"));
    });
  for (auto& thread : threads)
    thread.join();
}

TEST(Control, SocketIsClosedToOthers) {
  const test::TemporaryDirectory root;
  const Server server(root.path(), echo);
  struct stat status {};
  ASSERT_EQ(::stat(socket_path(root.path()).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST(Control, ReplacesTheSocketOfADeadDaemonOnly) {
  const test::TemporaryDirectory root;
  {
    // bind makes the file, and closing does not remove it: what a killed daemon leaves.
    util::Fd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_path(root.path()).native().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_EQ(call(root.path(), "{}", kLong), std::nullopt);
  const Server server(root.path(), echo);
  EXPECT_TRUE(call(root.path(), R"({"op":"x"})", kLong));
  try {
    const Server second(root.path(), echo);
    ADD_FAILURE();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(error.message().find("listen: Address already in use"), std::string::npos);
  }
  EXPECT_TRUE(call(root.path(), R"({"op":"x"})", kLong));
}

TEST(Control, KeepsAFileThatIsNoSocket) {
  const test::TemporaryDirectory root;
  std::ofstream(socket_path(root.path())) << "precious";
  EXPECT_THROW(Server(root.path(), echo), util::Error);
  EXPECT_EQ(util::read_text_file(socket_path(root.path()), 100), "precious");
}

TEST(Control, WorksWithACacheRootLongerThanASocketAddress) {
  const test::TemporaryDirectory root;
  const auto deep = root.path() / std::string(100, 'a') / std::string(100, 'b');
  std::filesystem::create_directories(deep);
  {
    const Server server(deep, echo);
    EXPECT_TRUE(call(deep, R"({"op":"x"})", kLong));
    EXPECT_THROW(Server(deep, echo), util::Error);
  }
  EXPECT_EQ(call(deep, "{}", kLong), std::nullopt);
}

}  // namespace
}  // namespace ondemand::control
