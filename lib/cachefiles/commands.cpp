// SPDX-License-Identifier: Apache-2.0
#include "cachefiles/commands.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "cachefiles/abi.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::cachefiles {

using util::concat;
using util::Error;
using util::ErrorCode;

namespace {

std::string checked(std::string_view word, std::string_view argument) {
  constexpr std::string_view kCutsCommand{"\n\0", 2};
  if (argument.empty() || argument.find_first_of(kCutsCommand) != std::string_view::npos) {
    throw Error(ErrorCode::kUsage, concat("cachefiles ", word, " '", util::printable(argument),
                                          "': write: no command can carry it"));
  }
  std::string command = concat(word, ' ', argument);
  if (command.size() > abi::kMaxCommandBytes) {
    throw Error(ErrorCode::kTooLarge, concat("cachefiles ", word, ": write: ", argument.size(),
                                             " bytes are too long for a command"));
  }
  return command;
}

std::uint64_t as_errno(int error) {
  return static_cast<std::uint64_t>(error >= 1 && error <= abi::kMaxErrno ? error : EIO);
}

}  // namespace

AnswerText& AnswerText::add(std::string_view text) noexcept {
  const std::size_t len = std::min(text.size(), text_.size() - len_);
  std::copy_n(text.begin(), len, text_.begin() + static_cast<std::ptrdiff_t>(len_));
  len_ += len;
  return *this;
}

AnswerText& AnswerText::add(std::uint64_t number) noexcept {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return add(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

std::string dir_command(const std::filesystem::path& root) {
  if (!root.is_absolute()) {
    throw Error(ErrorCode::kUsage, concat("cachefiles dir '", util::printable(root.native()),
                                          "': write: not an absolute path"));
  }
  return checked("dir", root.native());
}

std::string tag_command(std::string_view tag) {
  return checked("tag", tag);
}

AnswerText done_command(std::uint64_t id) noexcept {
  return AnswerText("done ").add(id);
}

AnswerText fail_command(std::uint64_t id, int error) noexcept {
  return AnswerText("fail ").add(id).add(",").add(as_errno(error));
}

AnswerText copen_command(std::uint32_t message_id, std::uint64_t size) {
  if (size > abi::kMaxOffset)
    throw Error(ErrorCode::kTooLarge, concat("cachefiles copen: write: a size of ", size));
  return AnswerText("copen ").add(std::uint64_t{message_id}).add(",").add(size);
}

AnswerText copen_failure_command(std::uint32_t message_id, int error) noexcept {
  return AnswerText("copen ").add(std::uint64_t{message_id}).add(",-").add(as_errno(error));
}

}  // namespace ondemand::cachefiles
