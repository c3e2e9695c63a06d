// SPDX-License-Identifier: Apache-2.0
#include "blobctl/inspect_report.h"

#include <cstring>
#include <ostream>
#include <utility>

#include "blobctl/json_writer.h"
#include "format/chunk_index_ondisk.h"
#include "format/erofs_ondisk.h"
#include "format/image_spec.h"
#include "hash/sha256.h"
#include "oci/json.h"
#include "util/endian.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

using erofs::Field;
using erofs::Fields;
using util::Error;
using util::ErrorCode;

Field number(std::string name, std::uint64_t value) {
  return {std::move(name), util::concat(value), true};
}

// ---- bootstrap

constexpr std::size_t kSuperOffset = 1024;

bool is_bootstrap(util::Bytes bytes) {
  util::Le32 magic;
  if (bytes.size() < kSuperOffset + sizeof magic) return false;
  std::memcpy(&magic, bytes.data() + kSuperOffset, sizeof magic);
  return magic == 0xE0F5E1E2U;  // EROFS_SUPER_MAGIC_V1
}

bool is_index(util::Bytes bytes) {
  const auto& magic = format::kChunkIndexMagic;
  return bytes.size() >= sizeof magic && std::memcmp(bytes.data(), &magic, sizeof magic) == 0;
}

bool is_manifest(util::Bytes bytes) {
  return !bytes.empty() && bytes[0] == '{';
}

InspectReport inspect_bootstrap(util::Bytes bytes, const std::string& name,
                                const std::string& path) {
  const erofs::BootstrapReader reader(bytes, name);
  InspectReport report{"bootstrap", {}};
  report.sections.push_back({"superblock", false, {erofs::describe_superblock(reader)}});
  InspectSection devices{"devices", true, {}};
  for (std::size_t i = 0; i < reader.devices().size(); ++i)
    devices.members.push_back(erofs::describe_device(reader, i));
  report.sections.push_back(std::move(devices));
  if (path.empty()) {
    report.sections.push_back({"summary", false, {erofs::describe_summary(reader)}});
    return report;
  }
  const auto nid = reader.lookup(path);
  if (!nid)
    throw Error(ErrorCode::kNotFound,
                util::concat(name, ": inspect: has no path ", util::printable(path)));
  const erofs::InodeInfo inode = reader.inode(*nid);
  report.sections.push_back({"inode", false, {erofs::describe_inode(reader, inode)}});
  report.sections.push_back({"extents", true, erofs::describe_extents(reader, inode)});
  return report;
}

// ---- chunk index

// Read field by field, not through blob::ChunkIndex: that one refuses what is not ours to use, and
// wants to know where the blob ends, which a file alone does not tell.
InspectReport inspect_index(util::Bytes bytes, const std::string& name) {
  util::ByteReader reader(bytes, name);
  const auto header = reader.read<format::ChunkIndexHeader>("chunk index header");
  InspectReport report{"chunk-index", {}};
  report.sections.push_back({"header",
                             false,
                             {{{"digest", hash::sha256(bytes).to_string()},
                               {"magic", util::to_hex(bytes.first(4))},
                               number("version", header.version),
                               number("compression_type", header.compression_type),
                               number("flags", header.flags),
                               number("uncompressed_size", header.uncompressed_size),
                               number("num_chunks", header.num_chunks),
                               number("hash_algo", header.hash_algo),
                               number("hash_size", header.hash_size)}}});
  InspectSection frames{"frames", true, {}};
  const std::size_t entry_size = 16 + std::size_t{header.hash_size};
  const std::uint64_t count = header.num_chunks;
  if (reader.remaining() != count * entry_size)
    throw Error(ErrorCode::kCorrupt,
                util::concat(name, ": decode chunk index: ", count, " entries of ", entry_size,
                             " bytes do not fill the remaining ", reader.remaining()));
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto stored = reader.read<util::Le64>("blob offset");
    const auto view = reader.read<util::Le64>("uncompressed offset");
    const util::Bytes checksum = reader.take(header.hash_size, "checksum");
    frames.members.push_back({number("blob_offset", stored),
                              number("uncompressed_offset", view),
                              {"checksum", util::to_hex(checksum)}});
  }
  report.sections.push_back(std::move(frames));
  return report;
}

// ---- manifest

Fields describe_descriptor(const oci::Descriptor& descriptor) {
  Fields fields{{"mediaType", descriptor.media_type},
                {"digest", descriptor.digest.to_string()},
                number("size", descriptor.size)};
  if (!descriptor.artifact_type.empty())
    fields.push_back({"artifactType", descriptor.artifact_type});
  for (const auto& [key, value] : descriptor.annotations)
    fields.push_back({key, value});
  return fields;
}

InspectReport inspect_manifest(util::Bytes bytes, const std::string& name) {
  const std::string_view json = util::as_text(bytes);
  if (bytes.size() > oci::kMaxManifestBytes)
    throw Error(ErrorCode::kTooLarge, util::concat(name, ": inspect: is too long for a manifest"));
  InspectReport report{"manifest", {}};
  if (oci::is_index(json, name)) {
    report.type = "index";
    InspectSection manifests{"manifests", true, {}};
    for (const oci::Descriptor& entry : oci::parse_index(json, name).manifests)
      manifests.members.push_back(describe_descriptor(entry));
    report.sections.push_back(std::move(manifests));
    return report;
  }
  const oci::Manifest manifest = oci::parse_manifest(json, name);
  Fields head{{"digest", hash::sha256(bytes).to_string()}, {"mediaType", manifest.media_type}};
  if (!manifest.artifact_type.empty()) head.push_back({"artifactType", manifest.artifact_type});
  for (const auto& [key, value] : manifest.annotations)
    head.push_back({key, value});
  report.sections.push_back({"manifest", false, {std::move(head)}});
  report.sections.push_back({"config", false, {describe_descriptor(manifest.config)}});
  InspectSection layers{"layers", true, {}};
  for (const oci::Descriptor& layer : manifest.layers)
    layers.members.push_back(describe_descriptor(layer));
  report.sections.push_back(std::move(layers));
  if (manifest.subject)
    report.sections.push_back({"subject", false, {describe_descriptor(*manifest.subject)}});
  return report;
}

void write_fields(JsonWriter& json, const Fields& fields) {
  json.begin_object();
  for (const Field& field : fields) {
    json.key(field.name);
    if (field.is_number)
      json.raw(field.value);
    else
      json.value(field.value);
  }
  json.end_object();
}

void print_fields(const Fields& fields, std::ostream& out) {
  for (const Field& field : fields)
    out << "  " << util::printable(field.name) << ": " << util::printable(field.value) << '\n';
}

}  // namespace

InspectReport inspect_bytes(util::Bytes bytes, const std::string& name, const std::string& path) {
  if (is_bootstrap(bytes)) return inspect_bootstrap(bytes, name, path);
  if (!path.empty())
    throw Error(ErrorCode::kUsage,
                util::concat(name, ": inspect: --path is for a bootstrap, which this is not"));
  if (is_index(bytes)) return inspect_index(bytes, name);
  if (is_manifest(bytes)) return inspect_manifest(bytes, name);
  throw Error(
      ErrorCode::kUnsupported,
      util::concat(name, ": inspect: is neither a bootstrap nor a chunk index nor a manifest"));
}

std::string to_json(const InspectReport& report) {
  JsonWriter json;
  json.begin_object().member("type", report.type);
  for (const InspectSection& section : report.sections) {
    json.key(section.name);
    if (section.is_list) json.begin_array();
    for (const Fields& member : section.members)
      write_fields(json, member);
    if (section.is_list) json.end_array();
  }
  json.end_object();
  return json.text();
}

void print(const InspectReport& report, std::ostream& out) {
  for (const InspectSection& section : report.sections) {
    for (std::size_t i = 0; i < section.members.size(); ++i) {
      out << section.name;
      if (section.is_list) out << ' ' << i;
      out << ":\n";
      print_fields(section.members[i], out);
    }
  }
}

}  // namespace ondemand::blobctl
