// SPDX-License-Identifier: Apache-2.0
#include "image/image_objects.h"

#include "format/image_spec.h"
#include "hash/sha256.h"
#include "oci/config.h"
#include "oci/json.h"

namespace ondemand::image {

namespace {

std::string text(std::string_view constant) {
  return std::string(constant);
}

}  // namespace

BlobLayers describe_blob(const blob::BlobResult& result, util::Bytes encoded_index) {
  const bool compressed = result.index.form() == blob::StoredForm::kZstd;
  BlobLayers layers;
  layers.index.media_type = format::kMediaChunkIndex;
  layers.index.digest = hash::sha256(encoded_index);
  layers.index.size = encoded_index.size();
  layers.index.annotations[text(format::kAnnotationIndexTarget)] = result.digest.to_string();
  layers.blob.media_type = compressed ? format::kMediaOctetStreamZstd : format::kMediaOctetStream;
  layers.blob.digest = result.digest;
  layers.blob.size = result.stored_size;
  layers.blob.annotations[text(format::kAnnotationRole)] = format::kRoleDevice;
  layers.blob.annotations[text(format::kAnnotationIndexDigest)] = layers.index.digest.to_string();
  if (compressed) {
    layers.blob.annotations[text(format::kAnnotationUncompressedDigest)] =
        result.uncompressed_digest.to_string();
  }
  return layers;
}

oci::Descriptor describe_bootstrap(const BootstrapObject& bootstrap) {
  oci::Descriptor descriptor;
  descriptor.media_type = bootstrap.is_compressed ? format::kMediaErofsZstd : format::kMediaErofs;
  descriptor.digest = bootstrap.digest;
  descriptor.size = bootstrap.stored_size;
  if (bootstrap.is_compressed) {
    descriptor.annotations[text(format::kAnnotationUncompressedDigest)] =
        bootstrap.uncompressed_digest.to_string();
  }
  return descriptor;
}

std::vector<hash::Digest> diff_ids(const std::vector<BlobLayers>& blobs,
                                   const std::vector<BlobObject>& objects,
                                   const BootstrapObject& bootstrap) {
  std::vector<hash::Digest> ids;
  ids.reserve(2 * blobs.size() + 1);
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    ids.push_back(objects[i].result.uncompressed_digest);
    ids.push_back(blobs[i].index.digest);
  }
  ids.push_back(bootstrap.uncompressed_digest);
  return ids;
}

std::string make_config(const Provenance& provenance, const std::vector<hash::Digest>& diff_ids) {
  if (provenance.source_config.empty())
    return oci::make_default_config(provenance.platform, diff_ids, provenance.epoch);
  return oci::make_erofs_config(provenance.source_config, provenance.config_name, diff_ids,
                                provenance.tool, provenance.platform, provenance.epoch);
}

oci::Manifest make_manifest(const oci::Descriptor& config, const std::vector<BlobLayers>& blobs,
                            const oci::Descriptor& bootstrap, const Provenance& provenance) {
  oci::Manifest manifest;
  manifest.media_type = format::kMediaOciManifest;
  manifest.config = config;
  for (const BlobLayers& layers : blobs) {
    manifest.layers.push_back(layers.blob);
    manifest.layers.push_back(layers.index);
  }
  manifest.layers.push_back(bootstrap);
  if (provenance.source_digest)
    manifest.annotations[text(format::kAnnotationSourceDigest)] =
        provenance.source_digest->to_string();
  manifest.annotations[text(format::kAnnotationTool)] = provenance.tool;
  return manifest;
}

Publication plan_publication(const std::vector<BlobObject>& blobs, const BootstrapObject& bootstrap,
                             const Provenance& provenance) {
  Publication out;
  for (const BlobObject& blob : blobs) {
    out.indexes.push_back(blob.layers ? util::Buffer() : blob.result.index.encode());
    out.layers.push_back(blob.layers ? *blob.layers
                                     : describe_blob(blob.result, out.indexes.back()));
  }
  out.config = make_config(provenance, diff_ids(out.layers, blobs, bootstrap));
  oci::Descriptor config;
  config.media_type = format::kMediaOciConfig;
  config.digest = hash::sha256(util::as_bytes(out.config));
  config.size = out.config.size();
  out.manifest =
      oci::to_json(make_manifest(config, out.layers, describe_bootstrap(bootstrap), provenance));
  return out;
}

}  // namespace ondemand::image
