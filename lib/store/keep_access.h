// SPDX-License-Identifier: Apache-2.0
//
// Who may use a file of a store does not change when the file is replaced.
#pragma once

#include <filesystem>

namespace ondemand::store {

// Gives the new file `fd` owner, group and mode of the regular file that it will replace; where
// there is none, or the file system or the rights forbid it, nothing happens.  Whoever is not in
// the group of `replaced` gets no more than that file gave to all.
void keep_access(int fd, const std::filesystem::path& replaced);

}  // namespace ondemand::store
