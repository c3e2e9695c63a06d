// SPDX-License-Identifier: Apache-2.0
#include "http/connection.h"

#include <httplib.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>

#include "http/socket_stream.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::http {
namespace {

using util::Error;
using util::ErrorCode;

// Bodies of answers that nobody wants are read up to this much, so that the connection can be kept.
constexpr std::size_t kMaxDrainBytes = 64 * 1024;

Response convert(const httplib::Response& from, const std::string& url) {
  Response out;
  out.status = from.status;
  out.url = url;
  for (const auto& field : from.headers)
    out.headers.add(field.first, field.second);
  if (const auto* length = out.headers.find("Content-Length"))
    out.content_length = util::parse_u64(*length);
  if (const auto* range = out.headers.find("Content-Range"))
    out.content_range = parse_content_range(*range);
  return out;
}

}  // namespace

class Connection::Impl final : private httplib::ClientImpl {
 public:
  Impl(const Url& origin, std::chrono::milliseconds connect_timeout)
      : ClientImpl(origin.host, origin.port),
        authority_(origin.authority()),
        connect_timeout_(connect_timeout) {
    set_keep_alive(true);
    set_follow_location(false);
    set_url_encode(false);
    set_decompress(false);
  }

  Outcome exchange(const GetRequest& request, BodyReceiver& receiver, const std::string& url,
                   Response& response);
  bool is_reusable() const { return is_reusable_; }
  bool is_quiet() const {
    return wait_for(socket_.sock, POLLIN, std::chrono::steady_clock::now()) == Wait::kTimeout;
  }

 private:
  bool create_and_connect_socket(Socket& socket, httplib::Error& error) override;
  bool process_socket(const Socket& socket,
                      std::function<bool(httplib::Stream& stream)> callback) override;
  httplib::Request make_request(const GetRequest& request) const;
  bool guarded(const std::function<bool()>& call);
  [[noreturn]] void fail(httplib::Error error) const;

  const std::string authority_;
  const std::chrono::milliseconds connect_timeout_;
  bool is_reusable_ = false;

  // Of the exchange that is going on.
  const GetRequest* request_ = nullptr;
  const std::string* url_ = nullptr;
  SocketStream* stream_ = nullptr;
  std::exception_ptr thrown_;  // by the receiver or by connect: passes through the library aside
  bool is_fresh_ = false;      // this exchange opened the socket
  bool has_received_ = false;
  SocketStream::Failure failure_ = SocketStream::Failure::kNone;
  int errno_ = 0;
};

bool Connection::Impl::create_and_connect_socket(Socket& socket, httplib::Error& error) {
  is_fresh_ = true;
  const auto deadline =
      std::min(request_->deadline, std::chrono::steady_clock::now() + connect_timeout_);
  const bool ok = guarded([&] {
    socket.sock = connect_tcp(host_, static_cast<std::uint16_t>(port_), deadline, *url_).release();
    return true;
  });
  if (!ok) error = httplib::Error::Connection;
  return ok;
}

bool Connection::Impl::process_socket(const Socket& socket,
                                      std::function<bool(httplib::Stream& stream)> callback) {
  SocketStream stream(socket.sock, request_->deadline, request_->stall_timeout);
  stream.limit_reading(SocketStream::kMaxHeaderBytes);
  stream_ = &stream;
  const bool ok = guarded([&] { return callback(stream); });
  stream_ = nullptr;
  has_received_ = stream.has_received();
  failure_ = stream.failure();
  errno_ = stream.failure_errno();
  is_reusable_ = ok && failure_ == SocketStream::Failure::kNone && !stream.has_unread();
  return ok;
}

httplib::Request Connection::Impl::make_request(const GetRequest& request) const {
  httplib::Request out;
  out.method = "GET";
  out.path = request.target;
  for (const auto& field : request.headers.fields())
    out.headers.emplace(field.first, field.second);
  // The library's own has no brackets around an IPv6 address where the port is 80.
  out.headers.emplace("Host", authority_);
  // Stored bytes are digested as they are: no content coding.
  out.headers.emplace("Accept-Encoding", "identity");
  out.headers.emplace("User-Agent", "erofs-ondemand");
  if (request.range)
    out.headers.emplace(
        "Range", util::concat("bytes=", request.range->offset, '-', request.range->end() - 1));
  return out;
}

bool Connection::Impl::guarded(const std::function<bool()>& call) {
  try {
    return call();
  } catch (...) {
    thrown_ = std::current_exception();
    return false;
  }
}

void Connection::Impl::fail(httplib::Error error) const {
  using Failure = SocketStream::Failure;
  switch (failure_) {
    case Failure::kDeadline:
      throw Error(ErrorCode::kTimeout, util::concat(*url_, ": get: deadline passed"));
    case Failure::kStalled:
      throw Error(ErrorCode::kTimeout, util::concat(*url_, ": get: no progress in ",
                                                    request_->stall_timeout.count(), " ms"));
    case Failure::kHeaderTooLarge:
      throw Error(ErrorCode::kUnavailable,
                  util::concat(*url_, ": get: header of the answer is too large"));
    case Failure::kBroken:
      throw Error(ErrorCode::kUnavailable,
                  util::concat(*url_, ": get: ", std::string_view(std::strerror(errno_))));
    case Failure::kClosed:
      throw Error(ErrorCode::kUnavailable, util::concat(*url_, ": get: connection closed early"));
    case Failure::kNone:
    case Failure::kWoken:
      break;
  }
  throw Error(ErrorCode::kUnavailable,
              util::concat(*url_, ": get: not an HTTP answer (", httplib::to_string(error), ')'));
}

Connection::Outcome Connection::Impl::exchange(const GetRequest& request, BodyReceiver& receiver,
                                               const std::string& url, Response& response) {
  request_ = &request;
  url_ = &url;
  thrown_ = nullptr;
  is_fresh_ = has_received_ = is_reusable_ = false;
  failure_ = SocketStream::Failure::kNone;

  bool has_begun = false;
  bool is_wanted = false;
  bool is_stopped = false;
  std::size_t drained = 0;
  httplib::Request sent = make_request(request);
  sent.response_handler = [&](const httplib::Response& answer) {
    stream_->limit_reading();
    has_begun = true;
    return guarded([&] {
      response = convert(answer, url);
      is_wanted = receiver.begin(response);
      const bool is_short = response.content_length && *response.content_length <= kMaxDrainBytes;
      is_stopped = !is_wanted && !is_short;
      return !is_stopped;
    });
  };
  sent.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    return guarded([&] {
      if (is_wanted) {
        is_stopped = !receiver.data({reinterpret_cast<const std::uint8_t*>(data), size});
      } else {
        drained += size;
        is_stopped = drained > kMaxDrainBytes;
      }
      return !is_stopped;
    });
  };

  httplib::Response answer;
  httplib::Error error = httplib::Error::Success;
  const bool ok = send(sent, answer, error);
  if (thrown_) std::rethrow_exception(thrown_);
  if (is_stopped) return Outcome::kStopped;
  if (ok) {
    if (!has_begun) {  // the library does not tell of a 204
      response = convert(answer, url);
      is_wanted = receiver.begin(response);
    }
    response.body_complete = is_wanted;
    return Outcome::kDone;
  }
  using Failure = SocketStream::Failure;
  const bool is_closed = failure_ == Failure::kClosed || failure_ == Failure::kBroken;
  if (!is_fresh_ && !has_received_ && is_closed) return Outcome::kStale;
  fail(error);
}

Connection::Connection(const Url& origin, std::chrono::milliseconds connect_timeout)
    : impl_(std::make_unique<Impl>(origin, connect_timeout)) {}
Connection::~Connection() = default;

Connection::Outcome Connection::exchange(const GetRequest& request, BodyReceiver& receiver,
                                         const std::string& url, Response& response) {
  return impl_->exchange(request, receiver, url, response);
}

bool Connection::is_reusable() const {
  return impl_->is_reusable();
}

bool Connection::is_quiet() const {
  return impl_->is_quiet();
}

}  // namespace ondemand::http
