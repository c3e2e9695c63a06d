// SPDX-License-Identifier: Apache-2.0
//
// Commands for the control devices of CacheFiles, right ones and spoiled ones.  The same seed gives
// the same commands.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace ondemand::vmtest {

class Mutator {
 public:
  // `root` is that of the cache; `file` the name of a backing file, which "cull" and "inuse" take.
  Mutator(std::uint32_t seed, const std::string& root, const std::string& file);

  std::uint32_t below(std::uint32_t end) {  // end > 0
    return static_cast<std::uint32_t>(random_() % end);
  }
  bool one_in(std::uint32_t chances) { return below(chances) == 0; }
  std::string command();

 private:
  std::string number();
  std::string sound_command();
  void spoil(std::string& text);

  std::mt19937 random_;  // its numbers are the same everywhere; distributions are not
  std::vector<std::string> sound_;
  std::string cull_;
};

}  // namespace ondemand::vmtest
