// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <vector>

#include "http/connection.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::http {
namespace {

using util::Error;
using util::ErrorCode;

// Idle connections to one origin, the one used last on top.
class Pool {
 public:
  Pool(Url origin, const ClientOptions& options) : origin_(std::move(origin)), options_(options) {}

  const Url& origin() const { return origin_; }

  Response get(const GetRequest& request, BodyReceiver& receiver, const std::string& url) {
    Response response;
    bool may_reuse = true;
    for (;;) {
      auto connection = take(may_reuse);
      const auto outcome = connection->exchange(request, receiver, url, response);
      if (outcome == Connection::Outcome::kStale) {
        may_reuse = false;  // the others are as old: open a fresh one, which cannot be stale
        continue;
      }
      if (outcome == Connection::Outcome::kDone && connection->is_reusable())
        put(std::move(connection));
      return response;
    }
  }

 private:
  std::unique_ptr<Connection> take(bool may_reuse) {
    if (may_reuse) {
      const std::lock_guard lock(mutex_);
      while (!idle_.empty()) {
        auto connection = std::move(idle_.back());
        idle_.pop_back();
        if (connection->is_quiet()) return connection;
      }
    }
    return std::make_unique<Connection>(origin_, options_.connect_timeout);
  }

  void put(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < options_.max_idle_connections) idle_.push_back(std::move(connection));
  }

  const Url origin_;
  const ClientOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

// Source: RFC 9110 section 15.4; 300 and 304 are no redirects that a GET can follow by itself.
bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Keeps the answer of a redirect away from the caller's receiver.
class RedirectFilter final : public BodyReceiver {
 public:
  explicit RedirectFilter(BodyReceiver& inner) : inner_(inner) {}
  bool begin(const Response& response) override {
    return !is_redirect(response.status) && inner_.begin(response);
  }
  bool data(util::Bytes bytes) override { return inner_.data(bytes); }

 private:
  BodyReceiver& inner_;
};

std::pair<std::string, std::string> split_target(const std::string& target) {
  const auto mark = std::min(target.find('?'), target.size());
  return {target.substr(0, mark), mark < target.size() ? target.substr(mark + 1) : std::string()};
}

}  // namespace

struct Client::State {
  State(const Url& origin, ClientOptions given) : options(given), home(origin, given) {}

  // Pools of the hosts that the home origin redirected to, bounded; the list keeps addresses.
  std::shared_ptr<Pool> pool_for(const Url& url) {
    static constexpr std::size_t kMaxPools = 8;
    const std::lock_guard lock(mutex);
    for (const auto& pool : others)
      if (pool->origin().same_origin(url)) return pool;
    if (others.size() >= kMaxPools) others.pop_front();
    others.push_back(std::make_shared<Pool>(url, options));
    return others.back();
  }

  const ClientOptions options;
  Pool home;
  std::mutex mutex;
  std::list<std::shared_ptr<Pool>> others;
};

std::string Response::media_type() const {
  std::string type = headers.get("Content-Type");
  type.resize(std::min(type.find(';'), type.size()));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t'))
    type.pop_back();
  for (char& c : type)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return type;
}

bool TextReceiver::begin(const Response& response) {
  text.clear();
  url_ = response.url;
  if (response.status != 200) return false;
  if (response.content_length && *response.content_length > limit_)
    throw Error(ErrorCode::kTooLarge, util::concat(url_, ": get: longer than ", limit_, " bytes"));
  return true;
}

bool TextReceiver::data(util::Bytes bytes) {
  if (bytes.size() > limit_ - text.size())
    throw Error(ErrorCode::kTooLarge, util::concat(url_, ": get: longer than ", limit_, " bytes"));
  text.append(util::as_text(bytes));
  return true;
}

Client::Client(const Url& origin, ClientOptions options)
    : state_(std::make_unique<State>(origin, options)) {}
Client::~Client() = default;

Response Client::get(const GetRequest& request, BodyReceiver& receiver) {
  RedirectFilter filter(receiver);
  GetRequest current = request;
  Url url = state_->home.origin();
  for (int hops = 0;; ++hops) {
    std::tie(url.path, url.query) = split_target(current.target);
    const std::string name = url.to_string();
    Response response;
    if (url.same_origin(state_->home.origin())) {
      response = state_->home.get(current, filter, name);
    } else {
      response = state_->pool_for(url)->get(current, filter, name);
    }
    const std::string* location = response.headers.find("Location");
    if (!is_redirect(response.status) || location == nullptr) return response;
    if (hops >= state_->options.max_redirects)
      throw Error(
          ErrorCode::kUnavailable,
          util::concat(name, ": get: more than ", state_->options.max_redirects, " redirects"));
    UrlError error;
    auto next = resolve_location(url, *location, error);
    if (!next)
      throw Error(error.is_https ? ErrorCode::kUnsupported : ErrorCode::kUnavailable,
                  util::concat(name, ": redirect to ", redact_url(*location), ": ", error.reason));
    url = *std::move(next);
    current.target = url.target();
  }
}

}  // namespace ondemand::http
