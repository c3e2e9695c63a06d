// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "hash/sha256.h"
#include "input/layout_image.h"
#include "oci/config.h"
#include "oci/json.h"
#include "oci/media_type.h"
#include "oci/reference.h"
#include "oci/select.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::input {

namespace {

using oci::Descriptor;
using util::concat;
using util::Error;
using util::ErrorCode;

class LayoutReader {
 public:
  LayoutReader(const std::shared_ptr<const ObjectSet>& objects, const InputOptions& options)
      : objects_(*objects), options_(options) {}

  ImageInput open();

 private:
  std::string read_file(const char* path, std::uint64_t limit) const;
  std::optional<StoredObject> find_blob(const Descriptor& descriptor) const;
  std::string read_document(const Descriptor& descriptor, std::string_view kind,
                            std::uint64_t limit) const;
  oci::DocumentReader index_reader() const;
  static std::string shown(const Descriptor& image);
  Descriptor entry_of(const hash::Digest& digest, const oci::Index& index) const;
  std::vector<Descriptor> named_entries(const oci::Index& index) const;
  Descriptor select(const std::vector<Descriptor>& entries) const;
  bool is_artifact(const Descriptor& entry) const;
  void drop_artifacts(std::vector<Descriptor>& images) const;
  Descriptor select_platform(std::vector<Descriptor> images) const;
  oci::Platform platform_of(const Descriptor& image) const;
  Layer make_layer(const Descriptor& descriptor, const hash::Digest& diff_id) const;
  [[noreturn]] void fail(ErrorCode code, std::string_view reason) const {
    throw Error(code, concat(objects_.name(), ": ", reason));
  }

  const ObjectSet& objects_;
  const InputOptions& options_;
};

std::string LayoutReader::read_file(const char* path, std::uint64_t limit) const {
  const auto object = objects_.find(path);
  if (!object) fail(ErrorCode::kCorrupt, concat(path, ": read: is missing"));
  return object->read(limit, concat(objects_.name(), ": ", path));
}

std::optional<StoredObject> LayoutReader::find_blob(const Descriptor& descriptor) const {
  return objects_.find(concat("blobs/sha256/", descriptor.digest.hex()));
}

// A manifest, index or configuration, its size and digest checked.
std::string LayoutReader::read_document(const Descriptor& descriptor, std::string_view kind,
                                        std::uint64_t limit) const {
  const std::string what = concat(kind, " ", descriptor.digest.to_string());
  const auto object = find_blob(descriptor);
  if (!object) fail(ErrorCode::kNotFound, concat(what, ": read: is missing"));
  if (object->range.len != descriptor.size) {
    fail(ErrorCode::kCorrupt,
         concat(what, ": read: has ", object->range.len, " bytes, not ", descriptor.size));
  }
  std::string text = object->read(limit, concat(objects_.name(), ": ", what));
  if (hash::sha256(util::as_bytes(text)) != descriptor.digest)
    fail(ErrorCode::kDigestMismatch, concat(what, ": verify: holds other bytes"));
  return text;
}

oci::DocumentReader LayoutReader::index_reader() const {
  return [this](const Descriptor& index) -> std::optional<std::string> {
    if (!find_blob(index)) return std::nullopt;
    return read_document(index, "index", oci::kMaxIndexBytes);
  };
}

// What messages call an image: the digest, which alone always selects it, and what tells it.
std::string LayoutReader::shown(const Descriptor& image) {
  std::string more = util::printable(oci::display_name(image));
  if (image.platform) more.append(more.empty() ? "" : ", ").append(oci::to_string(*image.platform));
  return concat(image.digest.to_string(), more.empty() ? "" : concat(" (", more, ")"));
}

Descriptor LayoutReader::entry_of(const hash::Digest& digest, const oci::Index& index) const {
  const oci::DocumentReader read = index_reader();
  if (auto found = oci::find_entry(index.manifests, digest, read, objects_.name()))
    return *std::move(found);
  std::vector<std::string> there;
  for (const Descriptor& image : oci::collect_manifests(index.manifests, read, objects_.name()))
    there.push_back(shown(image));
  fail(ErrorCode::kNotFound, concat("select: no image or index has the digest ", digest.to_string(),
                                    "; there are: ", list_choices(there)));
}

std::vector<Descriptor> LayoutReader::named_entries(const oci::Index& index) const {
  if (const auto digest = hash::Digest::parse(options_.ref)) return {entry_of(*digest, index)};
  const bool has_choice = index.manifests.size() > 1;
  if (options_.ref.empty() || (options_.ref_is_optional && !has_choice)) return index.manifests;
  std::vector<Descriptor> found = oci::entries_named(index.manifests, options_.ref);
  if (!found.empty()) return found;
  std::set<std::string> names;
  for (const Descriptor& entry : index.manifests)
    names.insert(util::printable(oci::display_name(entry)));
  names.erase("");
  fail(ErrorCode::kNotFound,
       concat("select: no image has the name '", util::printable(options_.ref), "'; ",
              names.empty() ? "none has a name"
                            : concat("there are: ", list_choices({names.begin(), names.end()}))));
}

oci::Platform LayoutReader::platform_of(const Descriptor& image) const {
  const oci::Manifest manifest =
      oci::parse_manifest(read_document(image, "manifest", oci::kMaxManifestBytes),
                          concat(objects_.name(), ": manifest ", image.digest.to_string()));
  return oci::parse_config(read_document(manifest.config, "config", oci::kMaxConfigBytes),
                           concat(objects_.name(), ": config"))
      .platform;
}

// Signatures, SBOMs and charts have a configuration or layers of their own types.  Whoever names a
// platform means something that runs.
bool LayoutReader::is_artifact(const Descriptor& entry) const {
  if (entry.platform) return false;
  if (!oci::is_manifest_type(entry.media_type)) return true;
  const oci::Manifest manifest =
      oci::parse_manifest(read_document(entry, "manifest", oci::kMaxManifestBytes),
                          concat(objects_.name(), ": manifest ", entry.digest.to_string()));
  return !oci::is_image_config(manifest.config.media_type) ||
         (!manifest.layers.empty() &&
          std::ranges::none_of(manifest.layers, [](const Descriptor& layer) {
            return oci::is_tar_layer(layer.media_type) || oci::is_erofs_layer(layer.media_type);
          }));
}

// Tools that copy an image with its referrers put those beside it.  What is alone stays.
void LayoutReader::drop_artifacts(std::vector<Descriptor>& images) const {
  if (images.size() == 1) return;
  std::erase_if(images, [this](const Descriptor& entry) { return is_artifact(entry); });
  if (images.empty())
    fail(ErrorCode::kUnsupported, "index.json: select: leads to artifacts, and to no image");
}

Descriptor LayoutReader::select_platform(std::vector<Descriptor> images) const {
  for (Descriptor& image : images)
    if (!image.platform) image.platform = platform_of(image);
  const oci::Platform want = options_.platform ? *options_.platform : oci::host_platform();
  std::vector<Descriptor> fitting;
  std::ranges::copy_if(images, std::back_inserter(fitting), [&](const Descriptor& image) {
    return oci::matches(want, *image.platform);
  });
  if (fitting.size() == 1) return fitting.front();
  std::vector<std::string> choices;
  for (const Descriptor& image : fitting.empty() ? images : fitting)
    choices.push_back(shown(image));
  const std::string list = list_choices(choices);
  if (fitting.empty()) {
    fail(ErrorCode::kNotFound,
         concat("select: no image for ", oci::to_string(want), "; there are: ", list));
  }
  fail(ErrorCode::kUsage, concat("select: several images fit, name one of them: ", list));
}

Descriptor LayoutReader::select(const std::vector<Descriptor>& entries) const {
  std::vector<Descriptor> images = oci::collect_manifests(entries, index_reader(), objects_.name());
  if (images.empty()) fail(ErrorCode::kCorrupt, "index.json: select: leads to no image");
  // Archives of one platform keep the index of all; and where a tar image has an EROFS twin for
  // the same platform, the tar is the source.
  const auto keep_if_any = [&](auto predicate) {
    if (std::ranges::any_of(images, predicate))
      std::erase_if(images, [&](const Descriptor& image) { return !predicate(image); });
  };
  keep_if_any([&](const Descriptor& image) { return find_blob(image).has_value(); });
  keep_if_any([](const Descriptor& image) { return !oci::is_erofs_entry(image); });
  drop_artifacts(images);
  // Why a lone artifact is no image is told best when it is opened.
  if (images.size() == 1 && (!options_.platform || is_artifact(images.front())))
    return images.front();
  return select_platform(std::move(images));
}

Layer LayoutReader::make_layer(const Descriptor& descriptor, const hash::Digest& diff_id) const {
  const std::string what = concat("layer ", descriptor.digest.to_string());
  if (!oci::is_tar_layer(descriptor.media_type)) {
    fail(ErrorCode::kUnsupported,
         concat(what, ": read: media type '", util::printable(descriptor.media_type.substr(0, 200)),
                "' is no layer of a container image"));
  }
  const auto object = find_blob(descriptor);
  if (!object) {
    fail(ErrorCode::kNotFound,
         concat(what, ": read: is missing",
                descriptor.urls.empty() ? ""
                                        : ", since it is a foreign layer (to be had from "
                                          "its urls only)"));
  }
  if (object->range.len != descriptor.size) {
    fail(ErrorCode::kCorrupt,
         concat(what, ": read: has ", object->range.len, " bytes, not ", descriptor.size));
  }
  Layer out;
  out.name = concat(objects_.name(), ": ", what);
  out.media_type = descriptor.media_type;
  out.expectation = {descriptor.digest, descriptor.size, diff_id, false};
  out.open_stored = [object = *object, name = out.name] { return object.open(name); };
  return out;
}

ImageInput LayoutReader::open() {
  oci::check_layout_file(read_file("oci-layout", oci::kMaxManifestBytes),
                         concat(objects_.name(), ": oci-layout"));
  const oci::Index index = oci::parse_index(read_file("index.json", oci::kMaxIndexBytes),
                                            concat(objects_.name(), ": index.json"));
  const std::vector<Descriptor> entries = named_entries(index);
  const Descriptor chosen = select(entries);
  const std::string what = concat(objects_.name(), ": manifest ", chosen.digest.to_string());
  const oci::Manifest manifest =
      oci::parse_manifest(read_document(chosen, "manifest", oci::kMaxManifestBytes), what);

  ImageInput out;
  out.form = Form::kOciArchive;
  out.name = objects_.name();
  out.source_digest = chosen.digest;
  out.default_ref = oci::display_name(chosen);
  if (out.default_ref.empty() && entries.size() == 1)
    out.default_ref = oci::display_name(entries.front());
  // Looked at before the configuration, whose type differs too where the image is of another kind.
  // All of them first: those of an EROFS image begin with blobs of any type.
  for (const Descriptor& layer : manifest.layers)
    if (oci::is_erofs_layer(layer.media_type) || oci::is_chunk_index(layer.media_type))
      fail(ErrorCode::kUnsupported,
           concat("manifest ", chosen.digest.to_string(), ": read: is an EROFS image already"));
  for (const Descriptor& layer : manifest.layers)
    make_layer(layer, {});
  out.config_json = read_document(manifest.config, "config", oci::kMaxConfigBytes);
  const oci::ConfigFacts facts = oci::parse_config(
      out.config_json, concat(objects_.name(), ": config ", manifest.config.digest.to_string()));
  if (facts.diff_ids.size() != manifest.layers.size()) {
    fail(ErrorCode::kCorrupt,
         concat("config ", manifest.config.digest.to_string(), ": check: ", facts.diff_ids.size(),
                " diffIDs for ", manifest.layers.size(), " layers"));
  }
  out.platform = facts.platform;
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    out.layers.push_back(make_layer(manifest.layers[i], facts.diff_ids[i]));
    out.stored_bytes += manifest.layers[i].size;
  }
  return out;
}

}  // namespace

ImageInput open_oci_image(const std::shared_ptr<const ObjectSet>& objects,
                          const InputOptions& options) {
  return LayoutReader(objects, options).open();
}

}  // namespace ondemand::input
