// SPDX-License-Identifier: Apache-2.0
#include "blobctl/status_report.h"

#include <fcntl.h>

#include <ostream>
#include <set>

#include "blobctl/json_writer.h"
#include "cache/extents.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

BlobStatus look_at(const hash::Digest& digest, const std::filesystem::path& path,
                   std::uint64_t size, std::uint64_t stored_size) {
  const util::Fd fd = util::open_file(path, O_RDONLY | O_NOFOLLOW);
  return {digest, size, cache::present_bytes(fd.get(), util::printable(path.native())),
          stored_size};
}

ImageStatus look_at_image(const cache::CacheRoot& root, const hash::Digest& manifest,
                          const std::vector<mount::MountEntry>& mounts) {
  ImageStatus status;
  status.manifest = manifest;
  try {
    const std::filesystem::path bootstrap = root.open_record(manifest).bootstrap;
    for (const mount::MountEntry& entry : mount::erofs_mounts_below(mounts, bootstrap))
      status.mountpoints.push_back(entry.mountpoint.native());
    const cache::PreparedImage image = root.open_image(manifest);
    status.bootstrap = look_at(image.bootstrap_digest, image.bootstrap, image.bootstrap_size, 0);
    for (const cache::PreparedBlob& blob : image.blobs)
      status.blobs.push_back(look_at(blob.digest, blob.backing_file, blob.size, blob.stored_size));
  } catch (const util::Error& error) {
    status.error = error.message();  // told in the report: the other images matter too
  }
  return status;
}

void write_blob(JsonWriter& json, const BlobStatus& blob) {
  json.begin_object()
      .member("digest", blob.digest.to_string())
      .member("bytes_total", blob.size)
      .member("bytes_present", blob.present)
      .member("bytes_stored", blob.stored_size)
      .member("state", blob.is_complete() ? "complete" : "lazy")
      .end_object();
}

const char* state_of(const ImageStatus& image) {
  if (!image.error.empty()) return "broken";
  return image.is_complete() ? "complete" : "lazy";
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "100.0 %";
  return util::concat(
      util::human_fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), 1), " %");
}

void print_blob(std::ostream& out, const char* what, const BlobStatus& blob) {
  out << "  " << what << ' ' << blob.digest.hex().substr(0, 12) << "  "
      << util::human_bytes(blob.present) << " of " << util::human_bytes(blob.size) << "  "
      << percent(blob.present, blob.size) << (blob.is_complete() ? "  complete\n" : "  lazy\n");
}

}  // namespace

std::uint64_t ImageStatus::size() const {
  std::uint64_t total = bootstrap.size;
  for (const BlobStatus& blob : blobs)
    total += blob.size;
  return total;
}

std::uint64_t ImageStatus::present() const {
  std::uint64_t total = bootstrap.present;
  for (const BlobStatus& blob : blobs)
    total += blob.present;
  return total;
}

CacheStatus collect_status(const cache::CacheRoot& root, const std::vector<hash::Digest>& images,
                           const std::vector<mount::MountEntry>& mounts) {
  CacheStatus status;
  status.root = root.path().native();
  std::set<hash::Digest> seen;
  const auto count = [&](const BlobStatus& blob) {
    if (!seen.insert(blob.digest).second) return false;
    status.size += blob.size;
    status.present += blob.present;
    return true;
  };
  const std::vector<cache::ImageName> names = root.list_names();  // sorted
  for (const hash::Digest& manifest : images) {
    status.images.push_back(look_at_image(root, manifest, mounts));
    ImageStatus& image = status.images.back();
    for (const cache::ImageName& entry : names)
      if (entry.manifest == manifest) image.names.push_back(entry.name);
    if (!image.error.empty()) continue;
    count(image.bootstrap);
    for (const BlobStatus& blob : image.blobs)
      status.blob_count += count(blob) ? 1U : 0U;
  }
  return status;
}

std::string to_json(const CacheStatus& status) {
  JsonWriter json;
  json.begin_object()
      .member("cache", status.root)
      .member("demandd", status.is_served)
      .key("daemon")
      .raw(status.daemon_json.empty() ? "null" : status.daemon_json)
      .key("images")
      .begin_array();
  for (const ImageStatus& image : status.images) {
    json.begin_object().member("digest", image.manifest.to_string()).key("names").begin_array();
    for (const std::string& name : image.names)
      json.value(name);
    json.end_array().key("mounts").begin_array();
    for (const std::string& mountpoint : image.mountpoints)
      json.value(mountpoint);
    json.end_array().member("state", state_of(image));
    if (!image.error.empty()) {
      json.member("error", image.error).end_object();
      continue;
    }
    json.member("bytes_total", image.size()).member("bytes_present", image.present());
    write_blob(json.key("bootstrap"), image.bootstrap);
    json.key("blobs").begin_array();
    for (const BlobStatus& blob : image.blobs)
      write_blob(json, blob);
    json.end_array().end_object();
  }
  json.end_array()
      .key("totals")
      .begin_object()
      .member("images", status.images.size())
      .member("blobs", status.blob_count)
      .member("bytes_total", status.size)
      .member("bytes_present", status.present)
      .end_object()
      .end_object();
  return json.text();
}

void print(const CacheStatus& status, std::ostream& out) {
  out << "cache " << util::printable(status.root) << ", "
      << (status.is_served ? "served by demandd" : "no demandd");
  if (!status.transport.empty()) out << " through " << util::printable(status.transport);
  out << '\n';
  for (const ImageStatus& image : status.images) {
    out << "\nimage " << image.manifest.to_string() << "  " << state_of(image) << '\n';
    for (const std::string& name : image.names)
      out << "  name " << util::printable(name) << '\n';
    for (const std::string& mountpoint : image.mountpoints)
      out << "  mounted on " << util::printable(mountpoint) << '\n';
    if (!image.error.empty()) {
      out << "  error " << image.error << '\n';
      continue;
    }
    print_blob(out, "bootstrap", image.bootstrap);
    for (const BlobStatus& blob : image.blobs)
      print_blob(out, "blob     ", blob);
  }
  out << (status.images.empty() ? "" : "\n") << "total: " << status.images.size() << " images, "
      << status.blob_count << " blobs, " << util::human_bytes(status.present) << " of "
      << util::human_bytes(status.size) << " present\n";
}

}  // namespace ondemand::blobctl
