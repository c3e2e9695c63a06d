// SPDX-License-Identifier: Apache-2.0
#include "cache/backing_path.h"

#include <algorithm>
#include <bit>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

using util::Error;
using util::ErrorCode;

// Source: Linux include/linux/hash.h, GOLDEN_RATIO_32.
constexpr std::uint32_t kGoldenRatio = 0x61C88647;

void check_length(std::string_view what, std::size_t len, std::size_t limit) {
  if (len == 0) throw Error(ErrorCode::kUsage, util::concat(what, ": check: is empty"));
  if (len > limit)
    throw Error(ErrorCode::kTooLarge, util::concat(what, ": check: has ", len, " bytes, at most ",
                                                   limit, " are possible in a cache"));
}

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
}

// Word `i` of the text, which is continued with zeros.
std::uint32_t word_le(std::string_view text, std::size_t i) {
  std::uint32_t word = 0;
  for (std::size_t k = 4; k-- > 0;)
    word = word << 8 | byte_at(text, 4 * i + k);
  return word;
}

std::uint32_t word_be(std::string_view text, std::size_t i) {
  std::uint32_t word = 0;
  for (std::size_t k = 0; k < 4; ++k)
    word = word << 8 | byte_at(text, 4 * i + k);
  return word;
}

// The hash over whole words, the last one filled with zeros; `len` is not hashed.
std::uint32_t hash_words(std::uint32_t salt, std::string_view bytes) {
  std::uint32_t x = 0;
  std::uint32_t y = salt;
  for (std::size_t i = 0; i < (bytes.size() + 3) / 4; ++i) {
    x ^= word_le(bytes, i);
    y ^= x;
    x = std::rotl(x, 7) + y;
    y = std::rotl(y, 20) * 9;
  }
  return kGoldenRatio * (y ^ (kGoldenRatio * x));
}

// Characters that the kernel leaves as they are: no space, '/', control character or byte >= 128.
bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 33 && byte <= 46) || (byte >= 48 && byte <= 127);
}

// Words in hex without leading zeros, joined by commas; a zero word is empty.
std::string cook_as_words(char letter, std::string_view key,
                          std::uint32_t (*word)(std::string_view, std::size_t)) {
  std::string name(1, letter);
  for (std::size_t i = 0; i < (key.size() + 3) / 4; ++i) {
    if (i > 0) name += ',';
    const std::uint32_t value = word(key, i);
    if (value != 0) name += util::to_hex(std::uint64_t{value});
  }
  return name;
}

std::string cook_as_base64(std::string_view key) {
  constexpr std::string_view kAlphabet =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
  const std::size_t groups = (key.size() + 2) / 3;
  std::string name = "E";
  name += static_cast<char>('0' + (3 * groups - key.size()));
  for (std::size_t i = 0; i < groups; ++i) {
    std::uint32_t bits = static_cast<std::uint32_t>(byte_at(key, 3 * i)) |
                         static_cast<std::uint32_t>(byte_at(key, 3 * i + 1)) << 8 |
                         static_cast<std::uint32_t>(byte_at(key, 3 * i + 2)) << 16;
    for (int k = 0; k < 4; ++k, bits >>= 6)
      name += kAlphabet[bits & 63];
  }
  return name;
}

}  // namespace

std::uint32_t hash_volume(std::string_view volume_key) {
  check_length("volume key", volume_key.size(), kMaxVolumeKeyBytes);
  // One byte of length, the key, and at least one zero, as the kernel keeps it.
  std::string bytes(1, static_cast<char>(volume_key.size()));
  bytes.append(volume_key).push_back('\0');
  return hash_words(0, bytes);
}

std::uint32_t hash_cookie(std::uint32_t volume_hash, std::string_view cookie_key) {
  check_length("cookie key", cookie_key.size(), kMaxCookieKeyBytes);
  return hash_words(volume_hash, cookie_key);
}

std::string cook_key(std::string_view cookie_key) {
  check_length("cookie key", cookie_key.size(), kMaxCookieKeyBytes);
  std::string name;
  if (std::all_of(cookie_key.begin(), cookie_key.end(), is_plain)) {
    name = util::concat('D', cookie_key);
  } else {
    // The kernel takes the shorter of the two word forms if one beats base64, big-endian on a tie.
    const std::string big = cook_as_words('S', cookie_key, word_be);
    const std::string little = cook_as_words('T', cookie_key, word_le);
    const std::size_t base64 = 2 + 4 * ((cookie_key.size() + 2) / 3);
    if (big.size() < base64 || little.size() < base64)
      name = big.size() <= little.size() ? big : little;
    else
      name = cook_as_base64(cookie_key);
  }
  check_length("cookie file name", name.size(), kMaxNameBytes);
  return name;
}

std::string volume_directory_name(std::string_view volume_key) {
  check_length("volume key", volume_key.size(), kMaxVolumeKeyBytes);
  if (volume_key.find('/') != std::string_view::npos ||
      volume_key.find('\0') != std::string_view::npos)
    throw Error(ErrorCode::kUsage,
                util::concat("volume key '", util::printable(volume_key),
                             "': check: holds a character that no file name can hold"));
  return util::concat('I', volume_key);
}

std::string fan_directory_name(std::uint8_t fan) {
  return util::concat('@', util::to_hex(util::Bytes(&fan, 1)));
}

std::string backing_path(std::string_view volume_key, std::string_view cookie_key) {
  const std::uint32_t hash = hash_cookie(hash_volume(volume_key), cookie_key);
  return util::concat(volume_directory_name(volume_key), '/',
                      fan_directory_name(static_cast<std::uint8_t>(hash & 0xff)), '/',
                      cook_key(cookie_key));
}

}  // namespace ondemand::cache
