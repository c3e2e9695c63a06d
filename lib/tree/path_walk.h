// SPDX-License-Identifier: Apache-2.0
//
// The way along a path inside a root, symbolic links followed as an unpacker would.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tree/path.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tree {

// Source: Linux MAXSYMLINKS.
inline constexpr int kMaxLinkHops = 40;

// What symbolic links of an image may cost: an entry of a few bytes can send the walk through 40
// targets of 2,048 names each.
class WalkBudget {
 public:
  // Ours.  The first is some seconds; real images need less than ten steps an entry.
  static constexpr std::uint64_t kSteps = std::uint64_t{1} << 25;
  static constexpr std::uint64_t kStepsPerEntry = 256;

  void add_entry() { left_ += kStepsPerEntry; }
  // Throws kTooLarge.
  void take(std::uint64_t steps) {
    if (steps > left_)
      throw util::Error(util::ErrorCode::kTooLarge,
                        "layers: follow symbolic links: their targets have too many names for the "
                        "number of entries");
    left_ -= steps;
  }

 private:
  std::uint64_t left_ = kSteps;
};

// A place on the way: what a symbolic link says comes before what is left of the path.  `Place` is
// what stands for a directory.
template <class Place>
class PathWalk {
 public:
  // Borrows the budget.
  PathWalk(Place root, std::string_view path, WalkBudget& budget)
      : way_{root}, ends_{0}, rest_(path), budget_(budget) {}

  const Place& here() const { return way_.back(); }
  // Of the path from the root to here, without symbolic links.
  std::size_t path_bytes() const { return ends_.back(); }
  std::size_t depth() const { return way_.size(); }
  bool at_end() const { return position_ >= rest_.size(); }
  // The next name; empty where the path ends in a slash.  Valid until follow().
  std::string_view next_name() {
    for (;;) {
      if (hops_ > 0) budget_.take(1);  // what the entry itself names is no longer than it
      std::string_view rest = std::string_view(rest_).substr(position_);
      const std::string_view name = take_component(rest);
      position_ = rest_.size() - rest.size();
      if (name == "..") {
        if (way_.size() > 1) resize(way_.size() - 1);
      } else if ((!name.empty() && name != ".") || at_end()) {
        return name == "." ? std::string_view() : name;
      }
    }
  }
  void enter(Place directory, std::size_t name_bytes) {
    ends_.push_back(ends_.back() + (ends_.size() > 1 ? 1 : 0) + name_bytes);
    way_.push_back(directory);
  }
  // False after too many of them.
  bool follow(std::string_view target) {
    if (++hops_ > kMaxLinkHops) return false;
    if (target.starts_with('/')) resize(1);
    budget_.take(rest_.size() / 64);  // copying takes time, too
    rest_ = util::concat(target, "/", std::string_view(rest_).substr(position_));
    position_ = 0;
    return true;
  }

 private:
  void resize(std::size_t depth) {
    way_.resize(depth);
    ends_.resize(depth);
  }

  std::vector<Place> way_;         // from the root on
  std::vector<std::size_t> ends_;  // of the path to each
  std::string rest_;
  std::size_t position_ = 0;
  int hops_ = 0;
  WalkBudget& budget_;
};

}  // namespace ondemand::tree
