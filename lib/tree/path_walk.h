// SPDX-License-Identifier: Apache-2.0
//
// The way along a path inside a root, symbolic links followed as an unpacker would.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tree/path.h"
#include "util/text.h"

namespace ondemand::tree {

// Source: Linux MAXSYMLINKS.
inline constexpr int kMaxLinkHops = 40;

// A place on the way: what a symbolic link says comes before what is left of the path.  `Place` is
// what stands for a directory.
template <class Place>
class PathWalk {
 public:
  PathWalk(Place root, std::string_view path) : way_{root}, rest_(path) {}

  const Place& here() const { return way_.back(); }
  std::size_t depth() const { return way_.size(); }
  bool at_end() const { return position_ >= rest_.size(); }
  // The next name; empty where the path ends in a slash.  Valid until follow().
  std::string_view next_name() {
    for (;;) {
      std::string_view rest = std::string_view(rest_).substr(position_);
      const std::string_view name = take_component(rest);
      position_ = rest_.size() - rest.size();
      if (name == "..") {
        if (way_.size() > 1) way_.pop_back();
      } else if ((!name.empty() && name != ".") || at_end()) {
        return name == "." ? std::string_view() : name;
      }
    }
  }
  void enter(Place directory) { way_.push_back(directory); }
  // False after too many of them.
  bool follow(std::string_view target) {
    if (++hops_ > kMaxLinkHops) return false;
    if (target.starts_with('/')) way_.resize(1);
    rest_ = util::concat(target, "/", std::string_view(rest_).substr(position_));
    position_ = 0;
    return true;
  }

 private:
  std::vector<Place> way_;  // from the root on
  std::string rest_;
  std::size_t position_ = 0;
  int hops_ = 0;
};

}  // namespace ondemand::tree
