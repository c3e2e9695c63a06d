// SPDX-License-Identifier: Apache-2.0
#include "control/control.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/unix_socket.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::control {
namespace {

using nlohmann::json;
using util::Error;
using util::ErrorCode;

// Deepest nesting that is parsed: the parser calls itself for no level, but its values are
// destroyed level by level.
constexpr int kMaxDepth = 32;

json parse_object(std::string_view text, std::string_view object) {
  const auto too_deep = [](int depth, json::parse_event_t, json&) {
    if (depth > kMaxDepth) throw Error(ErrorCode::kCorrupt, "json: parse: nested too deeply");
    return true;
  };
  json value;
  try {
    value = json::parse(text, too_deep, false);
  } catch (const Error& error) {
    throw error.with_context(object);
  } catch (const json::exception&) {
    value = json(json::value_t::discarded);
  }
  if (value.is_discarded() || !value.is_object())
    throw Error(ErrorCode::kCorrupt, util::concat(object, ": parse: not a JSON object"));
  return value;
}

std::string text_member(const json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end()) return {};
  if (!found->is_string())
    throw Error(ErrorCode::kCorrupt,
                util::concat("request: parse: \"", std::string_view(member), "\" is not a text"));
  return found->get<std::string>();
}

// Bytes that are no UTF-8 are replaced: a line is always well-formed JSON.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// The daemon's words, on one line.  Names in them were made printable where the message was made.
std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

}  // namespace

std::filesystem::path socket_path(const std::filesystem::path& cache_root) {
  return cache_root / "demandd.sock";
}

Request parse_request(std::string_view request_json) {
  const json object = parse_object(request_json, "request");
  Request request{text_member(object, "op"), text_member(object, "image")};
  if (request.op.empty()) throw Error(ErrorCode::kCorrupt, "request: parse: no \"op\"");
  return request;
}

std::string to_json(const Request& request) {
  json object{{"op", request.op}};
  if (!request.image.empty()) object["image"] = request.image;
  return dump(object);
}

std::string ok_reply(std::string_view result) {
  const std::string_view members = result.substr(1);
  return util::concat(R"({"ok":true)", members == "}" ? "" : ",", members);
}

std::string error_reply(std::string_view message) {
  return dump({{"ok", false}, {"error", std::string(message)}});
}

std::optional<std::string> call(const std::filesystem::path& cache_root,
                                std::string_view request_json, std::chrono::milliseconds timeout) {
  const auto path = socket_path(cache_root);
  const std::string name = util::printable(path.native());
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const auto fd = connect_unix(path, timeout);
  if (!fd) return std::nullopt;
  // A newline inside the request would make two of it; JSON text does not need any.
  std::string request(request_json);
  std::replace(request.begin(), request.end(), '\n', ' ');
  write_line(fd->get(), std::move(request), deadline, -1, name);
  LineReader reader(fd->get(), kMaxReplyBytes, -1, name);
  auto line = reader.next(deadline);
  if (!line) throw Error(ErrorCode::kUnavailable, name + ": call: closed without a reply");
  const json reply = parse_object(*line, name);
  const auto ok = reply.find("ok");
  if (ok == reply.end() || !ok->is_boolean())
    throw Error(ErrorCode::kCorrupt, name + ": call: reply without \"ok\"");
  if (!ok->get<bool>()) {
    const auto error = reply.find("error");
    const bool has_words = error != reply.end() && error->is_string();
    throw Error(ErrorCode::kUnavailable,
                "demandd: " + (has_words ? one_line(error->get<std::string>())
                                         : std::string("request: failed")));
  }
  return line;
}

std::string transport_in(std::string_view reply_json) {
  const json reply = parse_object(reply_json, "reply");
  const auto transport = reply.find("transport");
  return transport != reply.end() && transport->is_string() ? transport->get<std::string>()
                                                            : std::string();
}

std::optional<std::string> register_image(const std::filesystem::path& cache_root,
                                          const hash::Digest& manifest,
                                          std::chrono::milliseconds timeout) {
  const auto reply = call(cache_root, to_json({"register", manifest.to_string()}), timeout);
  if (!reply) return std::nullopt;
  return transport_in(*reply);
}

}  // namespace ondemand::control
