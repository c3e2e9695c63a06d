// SPDX-License-Identifier: Apache-2.0
//
// A bounds-checked cursor over bytes that came from outside, and the views used everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace ondemand::util {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
using Buffer = std::vector<std::uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
template <class T>
requires std::is_trivially_copyable_v<T> Bytes object_bytes(const T& object) {
  return {reinterpret_cast<const std::uint8_t*>(&object), sizeof object};
}

// Reads forward through a span.  Throws kCorrupt, naming `object` and the offset, when the bytes
// end too early.  Borrows the span and the name.
class ByteReader {
 public:
  ByteReader(Bytes bytes, std::string_view object) : bytes_(bytes), object_(object) {}

  std::size_t offset() const { return offset_; }
  std::size_t remaining() const { return bytes_.size() - offset_; }
  Bytes take(std::size_t len, std::string_view field);
  void skip(std::size_t len, std::string_view field) { take(len, field); }

  // Copies out a structure made of endian integers and byte arrays.
  template <class T>
  requires(std::is_trivially_copyable_v<T> && alignof(T) == 1) T read(std::string_view field) {
    T value;
    std::memcpy(&value, take(sizeof(T), field).data(), sizeof(T));
    return value;
  }

 private:
  Bytes bytes_;
  std::string_view object_;
  std::size_t offset_ = 0;
};

}  // namespace ondemand::util
