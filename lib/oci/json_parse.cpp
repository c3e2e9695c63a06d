// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "oci/json.h"
#include "oci/json_dom.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::oci {

namespace {

using util::concat;
using util::Error;
using util::ErrorCode;

// Makes the document out of the parser's events, within the limits.  (The library's own keeps no
// text of numbers.)
class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(std::string_view name) : name_(name) {}

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  // Only numbers with a sign come here: a zero was "-0".
  bool number_integer(number_integer_t value) override {
    return value == 0 ? add(number_with_text("-0")) : add(Json(value));
  }
  bool number_unsigned(number_unsigned_t value) override { return add(Json(value)); }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    return add(number_with_text(text));
  }
  bool string(string_t& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t& /*value*/) override { return false; }  // no text has one
  bool start_object(std::size_t /*elements*/) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*elements*/) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    count();
    key_ = name;
    member_ = &(*open_.back())[name];
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    if (dynamic_cast<const Json::out_of_range*>(&error) != nullptr) {
      throw Error(ErrorCode::kCorrupt, concat(name_, ": parse: member '", shown(key_),
                                              "': the number ", shown(token), " is out of range"));
    }
    throw Error(ErrorCode::kCorrupt, concat(name_, ": parse: not valid JSON at byte 0x",
                                            util::to_hex(std::uint64_t{position})));
  }

  Json document;

 private:
  static std::string shown(std::string_view text) { return util::printable(text.substr(0, 100)); }

  void count() {
    if (open_.size() > kMaxJsonDepth)
      throw Error(ErrorCode::kCorrupt,
                  concat(name_, ": parse: nested more than ", kMaxJsonDepth, " levels deep"));
    if (++values_ > kMaxJsonValues)
      throw Error(ErrorCode::kCorrupt,
                  concat(name_, ": parse: more than ", kMaxJsonValues, " values"));
  }
  // Pointers stay good: only the innermost container grows, and nobody points into it.
  Json* place(Json value) {
    count();
    if (open_.empty()) {
      document = std::move(value);
      return &document;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    *member_ = std::move(value);
    return member_;
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json container) {
    open_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view name_;
  std::vector<Json*> open_;  // outermost first
  Json* member_ = nullptr;   // of the innermost object, where its value goes
  std::string key_;          // for messages
  std::size_t values_ = 0;
};

}  // namespace

Json parse_json(std::string_view text, std::size_t limit, std::string_view name) {
  if (text.size() > limit) {
    throw Error(ErrorCode::kTooLarge, concat(name, ": parse: ", text.size(),
                                             " bytes are more than the limit of ", limit));
  }
  Builder builder(name);
  if (!Json::sax_parse(text, &builder))
    throw Error(ErrorCode::kCorrupt, concat(name, ": parse: not valid JSON"));
  return std::move(builder.document);
}

}  // namespace ondemand::oci
