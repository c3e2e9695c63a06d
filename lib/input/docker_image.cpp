// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <optional>
#include <string>

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
  std::optional<hash::Digest> identity(const oci::DockerImage& image) const;
  std::string shown(const oci::DockerImage& image) const;
  [[noreturn]] void fail_listed(ErrorCode code, std::string_view reason,
                                const std::vector<oci::DockerImage>& images) const;
  oci::DockerImage select(const std::vector<oci::DockerImage>& images) const;
  void check_config_digest(const oci::DockerImage& image, const hash::Digest& have) const;
  Layer make_layer(const std::string& path, const hash::Digest& diff_id) const;
  [[noreturn]] void fail(ErrorCode code, std::string_view reason) const {
    throw Error(code, concat(objects_.name(), ": ", reason));
  }

  const ObjectSet& objects_;
  const InputOptions& options_;
  // By path: a manifest may name one configuration any number of times.
  mutable std::map<std::string, std::optional<hash::Digest>> identities_;
};

StoredObject DockerReader::find(std::string_view path, std::string_view kind) const {
  auto object = objects_.find(path);
  if (!object) {
    fail(ErrorCode::kNotFound,
         concat(kind, " ", util::printable(path.substr(0, 200)), ": read: is missing"));
  }
  return *std::move(object);
}

// The configuration's file is named by its digest: "<hex>.json", "sha256:<hex>" or
// "blobs/sha256/<hex>".
std::optional<hash::Digest> digest_in_name(const std::string& config) {
  std::string_view base = std::string_view(config).substr(config.rfind('/') + 1);
  if (base.ends_with(".json")) base.remove_suffix(5);
  if (base.starts_with("sha256:")) base.remove_prefix(7);
  return hash::Digest::from_hex(base);
}

// What --ref calls an image by digest, and what messages list; nullopt where the configuration is
// neither named so nor there.
std::optional<hash::Digest> DockerReader::identity(const oci::DockerImage& image) const {
  if (const auto named = digest_in_name(image.config)) return named;
  const auto known = identities_.find(image.config);
  if (known != identities_.end()) return known->second;
  std::optional<hash::Digest> digest;
  if (const auto object = objects_.find(image.config)) {
    const std::string name = concat(objects_.name(), ": config ", util::printable(image.config));
    digest = hash::sha256(util::as_bytes(object->read(oci::kMaxConfigBytes, name)));
  }
  identities_.emplace(image.config, digest);
  return digest;
}

// "sha256:... (name:tag, name:other)"
std::string DockerReader::shown(const oci::DockerImage& image) const {
  const auto digest = identity(image);
  std::vector<std::string> tags;
  for (const std::string& tag : image.repo_tags)
    tags.push_back(util::printable(tag));
  const std::string name =
      digest ? digest->to_string()
             : concat("config ", util::printable(std::string_view(image.config).substr(0, 200)));
  return tags.empty() ? name : concat(name, " (", list_choices(tags), ")");
}

void DockerReader::fail_listed(ErrorCode code, std::string_view reason,
                               const std::vector<oci::DockerImage>& images) const {
  std::vector<std::string> choices;
  for (const oci::DockerImage& image : images)
    choices.push_back(shown(image));
  fail(code, concat("select: ", reason, list_choices(choices)));
}

oci::DockerImage DockerReader::select(const std::vector<oci::DockerImage>& images) const {
  const auto digest = hash::Digest::parse(options_.ref);
  if (!digest && images.size() == 1 && (options_.ref.empty() || options_.ref_is_optional))
    return images.front();
  if (options_.ref.empty())
    fail_listed(ErrorCode::kUsage, "several images, name one of them: ", images);
  std::vector<oci::DockerImage> matching;
  std::ranges::copy_if(images, std::back_inserter(matching), [&](const oci::DockerImage& image) {
    if (digest) return identity(image) == digest;
    return std::ranges::any_of(image.repo_tags, [&](const std::string& tag) {
      return short_name(tag) == short_name(options_.ref);
    });
  });
  // The same configuration listed twice is one image.
  if (matching.size() == 1 || (digest && !matching.empty())) return matching.front();
  const std::string ref = util::printable(options_.ref);
  if (!matching.empty())
    fail_listed(ErrorCode::kUsage, concat("several images have the name '", ref, "': "), matching);
  fail_listed(
      ErrorCode::kNotFound,
      concat("no image has the ", digest ? "configuration" : "name", " '", ref, "'; there are: "),
      images);
}

void DockerReader::check_config_digest(const oci::DockerImage& image,
                                       const hash::Digest& have) const {
  const auto want = digest_in_name(image.config);
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
