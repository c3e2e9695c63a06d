// SPDX-License-Identifier: Apache-2.0
#include "mutator.h"

#include <iterator>

#include "util/text.h"

namespace ondemand::vmtest {

using util::concat;

namespace {

constexpr const char* kOddNumbers[] = {"",
                                       "-1",
                                       "00",
                                       "+1",
                                       "1e3",
                                       "0x",
                                       "4095",
                                       "4096",
                                       "2147483648",
                                       "4294967295",
                                       "4294967296",
                                       "9223372036854775807",
                                       "9223372036854775808",
                                       "18446744073709551615",
                                       "18446744073709551616",
                                       "0xffffffffffffffff"};
constexpr std::uint32_t kSeldom = 3000;  // a file that is put away ends the game
constexpr std::size_t kLongTail = 5000;  // more than a page

}  // namespace

// '#' stands for a number.
Mutator::Mutator(std::uint32_t seed, const std::string& root, const std::string& file)
    : random_(seed),
      sound_{"done #",
             "done #",
             "done #",
             "fail #,#",
             "fail #,#",
             "fail #,5",
             "restore",
             "compat",
             "bind",
             "bind ondemand",
             "bind #",
             concat("dir ", root),
             "dir /",
             "tag t",
             "secctx system_u:object_r:t",
             concat("inuse ", file),
             concat("inuse ", file),
             "cull nothing",
             "cull ..",
             "frun #%",
             "fcull #%",
             "fstop #%",
             "brun #%",
             "bcull #%",
             "bstop #%",
             "debug #",
             "copen #,#",
             "copen #,12288",
             "copen #,-5"},
      cull_(concat("cull ", file)) {}

std::string Mutator::number() {
  if (one_in(3)) return kOddNumbers[below(std::size(kOddNumbers))];
  return concat(below(one_in(4) ? 12 : 1000));  // requests have small ids; not all shall be hit
}

std::string Mutator::sound_command() {
  std::string text;
  for (const char byte : sound_[below(static_cast<std::uint32_t>(sound_.size()))]) {
    if (byte == '#')
      text += number();
    else
      text += byte;
  }
  return text;
}

void Mutator::spoil(std::string& text) {
  const std::size_t at = below(static_cast<std::uint32_t>(text.size() + 1));
  const char byte = static_cast<char>(below(256));
  switch (below(8)) {
    case 0:
      text.insert(at, 1, byte);
      break;
    case 1:
      if (at < text.size()) text[at] = byte;
      break;
    case 2:
      text.erase(at, 1 + below(4));
      break;
    case 3:
      text.insert(at, number());
      break;
    case 4:
      text.insert(at, text.substr(at));
      break;
    case 5:
      text += one_in(2) ? '\n' : '\0';
      break;
    case 6:
      text.insert(at, sound_command());
      break;
    default:
      text.append(below(kLongTail), one_in(2) ? ' ' : 'x');
      break;
  }
}

std::string Mutator::command() {
  if (one_in(kSeldom)) return cull_;
  std::string text = sound_command();
  while (one_in(2))
    spoil(text);
  return text;
}

}  // namespace ondemand::vmtest
