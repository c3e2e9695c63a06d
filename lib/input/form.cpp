// SPDX-License-Identifier: Apache-2.0
#include "input/form.h"

#include <algorithm>
#include <array>

namespace ondemand::input {

namespace {

bool is_hex_id(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// "<hex>", "<hex>.json", "<hex>.tar", "<hex>.tar.gz", "<hex>/layer.tar", "<hex>/json",
// "<hex>/VERSION", "sha256:<hex>".
// Source: moby, image/spec; containers/image, docker/internal/tarfile; go-containerregistry,
// pkg/v1/tarball (crane, ko, kaniko, apko); jib-core, docker image tarball.
bool is_docker_object(std::string_view path) {
  constexpr std::string_view kAlgorithm = "sha256:";
  if (path.starts_with(kAlgorithm)) return is_hex_id(path.substr(kAlgorithm.size()));
  if (path.size() < 64 || !is_hex_id(path.substr(0, 64))) return false;
  const std::string_view rest = path.substr(64);
  return rest.empty() || rest == ".json" || rest == ".tar" || rest == ".tar.gz" ||
         rest == "/layer.tar" || rest == "/json" || rest == "/VERSION";
}

// "blobs", "blobs/<algorithm>", "blobs/<algorithm>/<encoded>", "blobs/sha256/<hex>.tar.gz".
bool is_blob_path(std::string_view path) {
  if (path == "blobs") return true;
  if (!path.starts_with("blobs/")) return false;
  path.remove_prefix(6);
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return path.starts_with("sha");
  if (!path.starts_with("sha256/")) return path.starts_with("sha512/");
  std::string_view name = path.substr(slash + 1);
  if (name.ends_with(".tar.gz")) name.remove_suffix(7);
  return is_hex_id(name);
}

// Source: Filesystem Hierarchy Standard 3.0, chapter 3; file-hierarchy(7).
bool is_root_directory(std::string_view path) {
  static constexpr std::array<std::string_view, 20> kNames = {
      "bin", "boot", "dev",  "etc",  "home", "lib",  "lib32", "lib64", "libx32", "media",
      "mnt", "opt",  "proc", "root", "run",  "sbin", "srv",   "sys",   "usr",    "var"};
  return std::ranges::find(kNames, path.substr(0, path.find('/'))) != kNames.end();
}

}  // namespace

std::string normal_member_path(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") {
      if (!out.empty()) out.push_back('/');
      out.append(part);
    }
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return out;
}

bool FormDetector::add(std::string_view path) {
  const std::string name = normal_member_path(path);
  const bool blob = is_blob_path(name);
  if (blob || is_docker_object(name)) {
    has_blob_ |= blob;
    has_object_ |= !blob || name.size() > std::string_view("blobs/sha256/").size();
  } else if (name == "oci-layout") {
    has_layout_file_ = true;
  } else if (name == "index.json") {
    has_index_ = true;
  } else if (name == "manifest.json") {
    has_docker_manifest_ = true;
  } else if (is_root_directory(name)) {
    foreign_ = true;
    is_rootfs_ = true;
  } else if (name == "repositories") {
    has_repositories_ = true;
  } else if (name != "config.json" && !name.empty() && name.front() != '.') {
    foreign_ = true;
  }
  return !is_rootfs_;
}

Form FormDetector::form() const {
  if (is_rootfs_) return Form::kRootfs;
  if (has_layout_file_ && has_index_) return Form::kOciArchive;
  if (foreign_) return Form::kRootfs;
  if (has_layout_file_ && !has_docker_manifest_) return Form::kOciArchive;
  if (has_docker_manifest_ && has_object_) return Form::kDockerArchive;
  return Form::kRootfs;
}

bool FormDetector::may_be_docker_archive() const {
  return form() == Form::kRootfs && !is_rootfs_ && has_docker_manifest_;
}

bool FormDetector::is_incomplete_archive() const {
  return form() == Form::kRootfs && !foreign_ && has_object_;
}

bool FormDetector::is_old_docker_archive() const {
  return is_incomplete_archive() && has_repositories_ && !has_blob_ && !has_index_;
}

}  // namespace ondemand::input
