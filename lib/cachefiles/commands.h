// SPDX-License-Identifier: Apache-2.0
//
// The text commands of the control devices.  Pure.
// Source: Documentation/filesystems/caching/cachefiles.rst and cachefiles-demand.rst.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace ondemand::cachefiles {

// An answer.  Needs no memory: whoever waits must be told also when there is none.
class AnswerText {
 public:
  explicit AnswerText(std::string_view text) noexcept { add(text); }
  AnswerText& add(std::string_view text) noexcept;
  AnswerText& add(std::uint64_t number) noexcept;
  operator std::string_view() const noexcept { return {text_.data(), len_}; }
  friend bool operator==(const AnswerText& a, std::string_view b) noexcept {
    return std::string_view(a) == b;
  }

 private:
  std::array<char, 48> text_{};  // the longest is "copen 4294967295,9223372036854775807"
  std::size_t len_ = 0;
};

// The directory that holds cache/ and graveyard/.  Throws kUsage for a path that no command can
// carry (not absolute, with a line end), kTooLarge.
std::string dir_command(const std::filesystem::path& root);
// Name of the cache in the kernel's messages.  Throws kUsage, kTooLarge.
std::string tag_command(std::string_view tag);

inline constexpr std::string_view kBindCommand = "bind";
inline constexpr std::string_view kBindOndemandCommand = "bind ondemand";  // on-demand mode
inline constexpr std::string_view kRestoreCommand = "restore";

// Demand mode.  Range of `error`: 1 to 4095; what is not is sent as EIO.
AnswerText done_command(std::uint64_t id) noexcept;
AnswerText fail_command(std::uint64_t id, int error) noexcept;

// On-demand mode: the answer to OPEN.  Throws kTooLarge for a size above 2^63-1.
AnswerText copen_command(std::uint32_t message_id, std::uint64_t size);
AnswerText copen_failure_command(std::uint32_t message_id, int error) noexcept;

}  // namespace ondemand::cachefiles
