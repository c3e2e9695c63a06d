// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "hash/sha256.h"
#include "input/layout_image.h"
#include "oci/config.h"
#include "oci/docker_archive.h"
#include "oci/json.h"
#include "oci/reference.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::input {

namespace {

using util::concat;
using util::Error;
using util::ErrorCode;

// Docker leaves out the registry and the folder of its own registry when it shows a name.
std::string_view short_name(std::string_view name) {
  for (const std::string_view prefix : {"docker.io/library/", "docker.io/", "library/"})
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  return name;
}

class DockerReader {
 public:
  DockerReader(const std::shared_ptr<const ObjectSet>& objects, const InputOptions& options)
      : objects_(*objects), options_(options) {}

  ImageInput open();

 private:
  StoredObject find(std::string_view path, std::string_view kind) const;
  oci::DockerImage select(const std::vector<oci::DockerImage>& images) const;
  void check_config_digest(const oci::DockerImage& image, const hash::Digest& have) const;
  Layer make_layer(const std::string& path, const hash::Digest& diff_id) const;
  [[noreturn]] void fail(ErrorCode code, std::string_view reason) const {
    throw Error(code, concat(objects_.name(), ": ", reason));
  }

  const ObjectSet& objects_;
  const InputOptions& options_;
};

StoredObject DockerReader::find(std::string_view path, std::string_view kind) const {
  auto object = objects_.find(path);
  if (!object) {
    fail(ErrorCode::kNotFound,
         concat(kind, " ", util::printable(path.substr(0, 200)), ": read: is missing"));
  }
  return *std::move(object);
}

oci::DockerImage DockerReader::select(const std::vector<oci::DockerImage>& images) const {
  if ((options_.ref.empty() || options_.ref_is_optional) && images.size() == 1)
    return images.front();
  std::string list;
  std::vector<const oci::DockerImage*> matching;
  for (const oci::DockerImage& image : images) {
    for (const std::string& tag : image.repo_tags) {
      const bool fits = !options_.ref.empty() && short_name(tag) == short_name(options_.ref);
      if (fits && (matching.empty() || matching.back() != &image)) matching.push_back(&image);
      list.append(list.empty() ? "" : ", ").append(util::printable(tag));
    }
  }
  if (matching.size() == 1) return *matching.front();
  if (!matching.empty()) {
    list.clear();
    for (const oci::DockerImage* image : matching)
      list.append(list.empty() ? "" : ", ").append(util::printable(image->config));
    fail(ErrorCode::kUsage, concat("select: several images have the name '",
                                   util::printable(options_.ref), "': ", list));
  }
  if (list.empty()) list = "none with a name";
  if (options_.ref.empty())
    fail(ErrorCode::kUsage, concat("select: several images, name one of them: ", list));
  fail(ErrorCode::kNotFound, concat("select: no image has the name '",
                                    util::printable(options_.ref), "'; there are: ", list));
}

// The configuration's file is named by its digest: "<hex>.json", "sha256:<hex>" or
// "blobs/sha256/<hex>".
void DockerReader::check_config_digest(const oci::DockerImage& image,
                                       const hash::Digest& have) const {
  std::string_view base = std::string_view(image.config).substr(image.config.rfind('/') + 1);
  if (base.ends_with(".json")) base.remove_suffix(5);
  if (base.starts_with("sha256:")) base.remove_prefix(7);
  const auto want = hash::Digest::from_hex(base);
  if (want && *want != have)
    fail(ErrorCode::kDigestMismatch,
         concat("config ", want->to_string(), ": verify: holds other bytes"));
}

Layer DockerReader::make_layer(const std::string& path, const hash::Digest& diff_id) const {
  const std::string shown = util::printable(std::string_view(path).substr(0, 200));
  const StoredObject object = find(path, "layer");
  Layer out;
  out.name = concat(objects_.name(), ": layer ", shown);
  out.expectation.stored_size = object.range.len;
  out.expectation.diff_id = diff_id;
  out.open_stored = [object, name = out.name] { return object.open(name); };
  return out;
}

ImageInput DockerReader::open() {
  const std::string manifest_text =
      find("manifest.json", "file")
          .read(oci::kMaxIndexBytes, concat(objects_.name(), ": manifest.json"));
  const oci::DockerImage image =
      select(oci::parse_docker_manifest(manifest_text, concat(objects_.name(), ": manifest.json")));
  const std::string config_name =
      concat(objects_.name(), ": config ", util::printable(image.config));

  ImageInput out;
  out.form = Form::kDockerArchive;
  out.name = objects_.name();
  out.config_json = find(image.config, "config").read(oci::kMaxConfigBytes, config_name);
  out.source_digest = hash::sha256(util::as_bytes(out.config_json));
  check_config_digest(image, *out.source_digest);
  const oci::ConfigFacts facts = oci::parse_config(out.config_json, config_name);
  if (facts.diff_ids.size() != image.layers.size()) {
    fail(ErrorCode::kCorrupt, concat("manifest.json: check: ", facts.diff_ids.size(),
                                     " diffIDs for ", image.layers.size(), " layers"));
  }
  out.platform = facts.platform;
  if (options_.platform && !oci::matches(*options_.platform, out.platform)) {
    fail(ErrorCode::kNotFound, concat("select: no image for ", oci::to_string(*options_.platform),
                                      "; there is: ", oci::to_string(out.platform)));
  }
  if (!image.repo_tags.empty()) out.default_ref = image.repo_tags.front();
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    out.layers.push_back(make_layer(image.layers[i], facts.diff_ids[i]));
    out.stored_bytes += *out.layers.back().expectation.stored_size;
  }
  return out;
}

}  // namespace

ImageInput open_docker_image(const std::shared_ptr<const ObjectSet>& objects,
                             const InputOptions& options) {
  return DockerReader(objects, options).open();
}

}  // namespace ondemand::input
