// SPDX-License-Identifier: Apache-2.0
#include "view/image_check.h"

#include <algorithm>

#include "cache/fetch.h"
#include "chunk/extent.h"
#include "erofs/bootstrap_check.h"
#include "format/image_spec.h"
#include "hash/sha256.h"
#include "oci/config.h"
#include "oci/json.h"
#include "oci/media_type.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"
#include "view/image_view.h"
#include "view/metadata_overlap.h"
#include "view/tree_list.h"

namespace ondemand::view {

namespace {

using util::concat;
using util::Error;

constexpr std::chrono::seconds kTimeout{60};

// Takes no more than a limit, so that a lying descriptor does not fill the memory.
class SmallSink : public util::ByteSink {
 public:
  void write(util::Bytes bytes) override {
    if (bytes.size() > oci::kMaxConfigBytes - text.size())
      throw Error(util::ErrorCode::kTooLarge, "configuration: read: is too long");
    text.append(util::as_text(bytes));
  }
  std::string text;
};

bool is_erofs_image(const oci::Manifest& manifest) {
  return std::any_of(manifest.layers.begin(), manifest.layers.end(),
                     [](const auto& layer) { return oci::is_erofs_layer(layer.media_type); });
}

// All that check_blob() compares: a blob that two images describe differently is checked twice.
std::string key_of(const oci::DeviceBlob& device) {
  const auto text = [](const auto& digest) { return digest ? digest->to_string() : std::string(); };
  std::string key = concat(device.descriptor.digest.to_string(), " ", device.descriptor.size,
                           device.framing == oci::Framing::kZstd ? " zstd " : " raw ",
                           text(device.uncompressed_digest));
  if (device.standalone_index)
    key += concat(" index ", device.standalone_index->digest.to_string(), " ",
                  device.standalone_index->size);
  if (device.embedded_index)
    key +=
        concat(" embedded ", device.embedded_index->range.offset, " ",
               device.embedded_index->range.len, " ", text(device.embedded_index->payload_digest));
  return key;
}

}  // namespace

class ImageChecker::Run {
 public:
  Run(ImageChecker& checker, std::string_view reference) : checker_(checker) {
    report_.reference = reference;
  }

  ImageReport run() {
    guarded([&] {
      const std::string name = concat("image ", util::printable(report_.reference));
      const auto manifest = checker_.source_.find_manifest(
          report_.reference, std::chrono::steady_clock::now() + kTimeout);
      if (!manifest) {
        add(concat("manifest: read: ", checker_.source_.name(), " does not have it"));
        return;
      }
      report_.manifest = manifest->digest;
      manifest_ = oci::parse_manifest(manifest->json, name);
      report_.objects = manifest_.layers.size() + 1;
      if (is_erofs_image(manifest_))
        check_erofs(name);
      else
        check_digests();
    });
    return std::move(report_);
  }

 private:
  void add(std::string defect) { report_.defects.push_back(std::move(defect)); }
  template <class Function>
  void guarded(Function function) {
    try {
      function();
    } catch (const Error& error) {
      add(error.message());
    }
  }
  void take(const BlobFacts& facts) {
    report_.defects.insert(report_.defects.end(), facts.defects.begin(), facts.defects.end());
    report_.frames += facts.frames;
    report_.stored_bytes += facts.stored_size;
    report_.decoded_bytes += facts.view_size;
  }

  void check_digests() {
    take(check_object(checker_.source_, manifest_.config, "configuration"));
    for (const oci::Descriptor& layer : manifest_.layers)
      take(check_object(checker_.source_, layer, concat("layer ", layer.digest.to_string())));
  }

  void check_erofs(const std::string& name) {
    report_.is_erofs = true;
    const oci::ErofsImage image = oci::interpret_manifest(manifest_, name);
    guarded([&] { open_bootstrap(image); });
    for (std::size_t i = 0; i < image.devices.size(); ++i)
      check_device(image.devices[i], limit_of(i));
    check_indexes();
    if (bootstrap_) guarded([&] { check_bootstrap(image); });
    guarded([&] { check_config(); });
  }

  // Where no device table says how long a blob is, none is decompressed without its index.
  std::uint64_t limit_of(std::size_t device) const {
    return bootstrap_ && device < bootstrap_->devices().size() ? view_limit(*bootstrap_, device)
                                                               : 0;
  }

  void check_device(const oci::DeviceBlob& device, std::uint64_t limit) {
    ++report_.blobs;
    const std::string digest = device.descriptor.digest.to_string();
    const std::string stated = device.descriptor.annotation(format::kAnnotationIndexDigest);
    if (device.standalone_index && !stated.empty() &&
        stated != device.standalone_index->digest.to_string())
      add(concat("blob ", digest, ": check: says that its chunk index is ", util::printable(stated),
                 ", the manifest has ", device.standalone_index->digest.to_string()));
    if (device.framing == oci::Framing::kZstd && !device.uncompressed_digest)
      add(concat("blob ", digest, ": check: has no ", format::kAnnotationUncompressedDigest));
    const std::string key = concat(key_of(device), " ", limit);
    auto known = checker_.blobs_.find(key);
    if (known == checker_.blobs_.end()) {
      known = checker_.blobs_
                  .emplace(key, check_blob(checker_.source_, device, limit, checker_.temporary_,
                                           concat("blob ", digest)))
                  .first;
    }
    take(known->second);
    views_.push_back(known->second.view_size);
    uncompressed_[device.descriptor.digest] = known->second.uncompressed_digest;
  }

  // Those that are layers: their sizes, and digests also where the index was of no use to us.
  void check_indexes() {
    for (const oci::Descriptor& layer : manifest_.layers) {
      if (!oci::is_chunk_index(layer.media_type)) continue;
      const BlobFacts facts =
          check_object(checker_.source_, layer, concat("chunk index ", layer.digest.to_string()));
      take(facts);
      uncompressed_[layer.digest] = layer.digest;
    }
  }

  void open_bootstrap(const oci::ErofsImage& image) {
    const std::string name = concat("bootstrap ", image.bootstrap.digest.to_string());
    uncompressed_[image.bootstrap.digest] = std::nullopt;
    if (image.bootstrap_framing == oci::Framing::kZstd && !image.bootstrap_uncompressed_digest)
      add(concat(name, ": check: has no ", format::kAnnotationUncompressedDigest));
    const WholeObject object = fetch_whole(
        checker_.source_, image.bootstrap, image.bootstrap_framing,
        image.bootstrap_uncompressed_digest, checker_.temporary_, cache::kMaxBootstrapBytes, name);
    report_.stored_bytes += image.bootstrap.size;
    uncompressed_[image.bootstrap.digest] = object.uncompressed_digest;
    mapped_.emplace(object.fd.get(), name);
    bootstrap_.emplace(mapped_->bytes(), name);
    bootstrap_->on_entries_read([this] { mapped_->release_pages(); });
    if (!image.bootstrap_index) return;
    const BlobFacts facts = check_blob(checker_.source_,
                                       {image.bootstrap,
                                        image.bootstrap_framing,
                                        image.bootstrap_uncompressed_digest,
                                        {},
                                        image.bootstrap_index},
                                       cache::kMaxBootstrapBytes, checker_.temporary_, name);
    report_.defects.insert(report_.defects.end(), facts.defects.begin(), facts.defects.end());
  }

  void check_bootstrap(const oci::ErofsImage& image) {
    const erofs::BootstrapReader& reader = *bootstrap_;
    const std::string& name = reader.name();
    guarded([&] { check_device_slots(reader, image.devices, name); });
    check_sizes(reader, name);
    const erofs::CheckReport found = erofs::check_bootstrap(reader);
    report_.inodes = found.inodes;
    for (const std::string& problem : found.problems)
      add(concat(name, ": check: ", problem));
    if (!found.is_clean()) return;
    if (reader.superblock().inos != found.inodes)
      add(concat(name, ": check superblock: says ", std::uint64_t{reader.superblock().inos},
                 " inodes, names lead to ", found.inodes));
    for (const std::string& overlap : find_overlaps(reader, list_tree(reader), kMaxDefects))
      add(concat(name, ": check: ", overlap));
  }

  // With check_bootstrap(), which compares extents with the slots: each extent is inside its blob.
  void check_sizes(const erofs::BootstrapReader& reader, const std::string& name) {
    const std::size_t count = std::min(views_.size(), reader.devices().size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t has = util::round_up(views_[i], std::uint64_t{reader.block_size()});
      const std::uint64_t needs =
          util::checked_mul(reader.devices()[i].nblocks, std::uint64_t{reader.block_size()});
      if (needs > has)
        add(concat(name, ": check device table: slot ", i + 1, " needs ", needs,
                   " bytes, its blob has ", has));
    }
  }

  void check_config() {
    const std::string name = concat("configuration ", manifest_.config.digest.to_string());
    SmallSink sink;
    if (!checker_.source_.copy_blob(manifest_.config.digest, manifest_.config.size, sink,
                                    kTimeout)) {
      add(concat(name, ": read: ", checker_.source_.name(), " does not have it"));
      return;
    }
    if (hash::sha256(util::as_bytes(sink.text)) != manifest_.config.digest) {
      add(concat(name, ": verify: its bytes have another digest"));
      return;
    }
    const oci::ConfigFacts facts = oci::parse_config(sink.text, name);
    const auto& features = facts.platform.os_features;
    if (std::find(features.begin(), features.end(), format::kOsFeatureErofs) == features.end())
      add(concat(name, ": check: os.features does not have 'erofs'"));
    if (facts.diff_ids.empty()) return;  // no image has to have them
    if (facts.diff_ids.size() != manifest_.layers.size()) {
      add(concat(name, ": check: has ", facts.diff_ids.size(), " diff_ids for ",
                 manifest_.layers.size(), " layers"));
      return;
    }
    for (std::size_t i = 0; i < manifest_.layers.size(); ++i) {
      const auto known = uncompressed_.find(manifest_.layers[i].digest);
      if (known == uncompressed_.end() || !known->second || *known->second == facts.diff_ids[i])
        continue;
      add(concat(name, ": check: diff_id ", i, " is ", facts.diff_ids[i].to_string(),
                 ", the uncompressed layer has ", known->second->to_string()));
    }
  }

  ImageChecker& checker_;
  ImageReport report_;
  oci::Manifest manifest_;
  std::optional<util::MappedFile> mapped_;
  std::optional<erofs::BootstrapReader> bootstrap_;
  std::vector<std::uint64_t> views_;  // sizes of the blobs' kernel views
  // By the digest of a layer; none where it could not be found out.
  std::map<hash::Digest, std::optional<hash::Digest>> uncompressed_;
};

ImageReport ImageChecker::check(std::string_view reference) {
  return Run(*this, reference).run();
}

}  // namespace ondemand::view
