// SPDX-License-Identifier: Apache-2.0
#include "cachefiles/commands.h"

#include <cerrno>

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

int as_errno(int error) {
  return error >= 1 && error <= abi::kMaxErrno ? error : EIO;
}

}  // namespace

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

std::string done_command(std::uint64_t id) {
  return concat("done ", id);
}

std::string fail_command(std::uint64_t id, int error) {
  return concat("fail ", id, ',', as_errno(error));
}

std::string copen_command(std::uint32_t message_id, std::uint64_t size) {
  if (size > abi::kMaxOffset)
    throw Error(ErrorCode::kTooLarge, concat("cachefiles copen: write: a size of ", size));
  return concat("copen ", message_id, ',', size);
}

std::string copen_failure_command(std::uint32_t message_id, int error) {
  return concat("copen ", message_id, ",-", as_errno(error));
}

}  // namespace ondemand::cachefiles
