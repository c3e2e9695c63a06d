// SPDX-License-Identifier: Apache-2.0
//
// The JSON library, wrapped for the sources of this module; no public header includes this one.
// Every failure of the library becomes util::Error; documents are bounded in size, depth and
// number of values, so that neither parsing nor the recursive writers can exhaust the stack.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "hash/digest.h"
#include "oci/descriptor.h"

namespace ondemand::oci {

// Objects are sorted maps: looking up and writing need no order of the source.
using Json = nlohmann::json;

// Throws kTooLarge beyond `limit` bytes, kCorrupt for what is not one JSON value in UTF-8.
// Numbers that are no integers of 64 bits keep their text (number_with_text): others' documents
// must not change their values.
Json parse_json(std::string_view text, std::size_t limit, std::string_view name);

// A number that is written as this text, which is one.  Kept as "binary", which no JSON text gives.
Json number_with_text(std::string_view text);

// No white space; members in the conventional order of OCI documents, unknown ones after them by
// name.  Throws kUsage for text that is not UTF-8.
std::string dump_document(const Json& value);

// Checked access.  `where` names the place in messages ("layers[3]").
[[noreturn]] void throw_bad_json(std::string_view name, std::string_view where,
                                 std::string_view reason);
// The member, or nullptr when it is absent or null.
const Json* find_member(const Json& object, std::string_view key);
const Json& require_object(const Json& value, std::string_view name, std::string_view where);
// The member as text; empty when absent.
std::string text_member(const Json& object, std::string_view key, std::string_view name,
                        std::string_view where);
std::vector<std::string> text_list_member(const Json& object, std::string_view key,
                                          std::string_view name, std::string_view where);
hash::Digest parse_digest(std::string_view text, std::string_view name, std::string_view where);

Platform parse_platform_object(const Json& value, std::string_view name, std::string_view where);
Descriptor parse_descriptor(const Json& value, std::string_view name, std::string_view where);
Json descriptor_to_json(const Descriptor& descriptor);

}  // namespace ondemand::oci
