// SPDX-License-Identifier: Apache-2.0
//
// Volumes and backing files: found, checked, made and let go as cachefiles does it.
// Source: doc/KERNEL.md 3; Documentation/filesystems/caching/cachefiles-demand.rst,
// "Preparation".  Under the core's lock.
#pragma once

#include <memory>

#include "support/simulate/cache.h"
#include "support/simulate/core.h"

namespace ondemand::simulate {

// Finds (or, where the cache may, makes) the directory of the volume and its fans.  On failure
// volume.path stays empty.
void acquire_volume(Cache& cache, Volume& volume);

// Finds the backing file of the object, checks it, and makes it where the cache may; then
// object.look_up says how that went.  Waits where the daemon is asked.
void look_up(Lock& lock, Cache& cache, const std::shared_ptr<Object>& object);

// Takes the object out of service: links a file that the kernel has made, and frees the mark.
void withdraw(Core& core, Object& object);

// Unlinks a file, moves a directory to the graveyard.
bool bury(const Cache& cache, const std::filesystem::path& path);

// <root>/cache/I<volume>/@<fan>/<name>
std::filesystem::path path_of(const Object& object);

}  // namespace ondemand::simulate
