// SPDX-License-Identifier: Apache-2.0
//
// Which kind of tar it is, told by the names of its entries: an OCI archive, a `docker save`
// archive, or a root file system.
//
// An image archive may hold other files as well (a README), so that all names must be seen; but the
// first name that every root file system has (usr, etc) makes the tar one, also when names of an
// archive (a directory "blobs", a "manifest.json") came before.  The rule is the same for a file
// and a stream: one archive must not give two images.  Hidden names in the top directory decide
// nothing, since layouts collect them (locks, temporary files, what desktop systems leave behind).
#pragma once

#include <string>
#include <string_view>

namespace ondemand::input {

enum class Form { kRootfs, kOciArchive, kDockerArchive };

// A member's path without leading "./" or "/", doubled or trailing slashes.
std::string normal_member_path(std::string_view path);

class FormDetector {
 public:
  // Takes the next entry's name.  False: the tar is a root file system, no more names are needed.
  bool add(std::string_view path);
  // The answer of the names when all (or, after false, enough) have been seen.  Where an archive
  // has both manifests (docker save since version 25) it is an OCI archive.
  Form form() const;
  // form() is kRootfs, but there is a manifest.json: if that names members of the tar it is a
  // docker archive.
  bool may_be_docker_archive() const;
  // All names are those of an archive, objects among them, but what ties them together is missing:
  // an archive that was cut short, not a root file system.
  bool is_incomplete_archive() const;
  // Such an archive is one of Docker before 1.10, which has no manifest but `repositories`.
  // Source: moby, image/spec/v1.md.
  bool is_old_docker_archive() const;

 private:
  bool is_rootfs_ = false;  // decided
  bool foreign_ = false;
  bool has_layout_file_ = false;
  bool has_index_ = false;
  bool has_docker_manifest_ = false;
  bool has_repositories_ = false;
  bool has_blob_ = false;    // below blobs/
  bool has_object_ = false;  // a blob, layer or configuration under its digest
};

}  // namespace ondemand::input
