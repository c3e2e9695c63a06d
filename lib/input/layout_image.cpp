// SPDX-License-Identifier: Apache-2.0
#include "input/layout_image.h"

#include "util/text.h"

namespace ondemand::input {

std::string list_choices(const std::vector<std::string>& choices) {
  constexpr std::size_t kMost = 100;
  std::string out;
  for (std::size_t i = 0; i < choices.size() && i < kMost; ++i)
    out.append(out.empty() ? "" : ", ").append(choices[i]);
  if (choices.size() > kMost) out.append(util::concat(" and ", choices.size() - kMost, " more"));
  return out;
}

}  // namespace ondemand::input
