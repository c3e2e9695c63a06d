// SPDX-License-Identifier: Apache-2.0
#include "mkfs-erofs-ondemand/summary.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "util/text.h"

namespace ondemand::mkfs {

namespace {

using image::BuildResult;
using util::human_bytes;
using util::human_fixed;

// What this build made: blobs of a dictionary belong to other images.
std::uint64_t stored_bytes(const BuildResult& result) {
  std::uint64_t bytes = result.bootstrap.stored_size;
  for (const auto& blob : result.blobs)
    if (blob.dictionary.empty()) bytes += blob.result.stored_size;
  return bytes;
}

// Where the bytes lie that did not have to be stored again.
struct Shared {
  std::uint64_t in_blob = 0;  // in the same layer, or the same image
  std::uint64_t in_other_layers = 0;
  std::uint64_t in_dictionary = 0;
};

Shared count_shared(const BuildResult& result) {
  Shared shared;
  shared.in_blob = result.data.shared_in_blob;
  shared.in_dictionary = result.dropped_shared_bytes;
  for (const auto& blob : result.blobs)
    if (!blob.dictionary.empty()) shared.in_dictionary += blob.shared_bytes;
  shared.in_other_layers = result.data.shared_bytes - shared.in_blob - shared.in_dictionary;
  return shared;
}

struct BlobCounts {
  std::size_t there = 0;       // made again, and found in the store
  std::size_t dictionary = 0;  // of other images
};

BlobCounts count_blobs(const BuildResult& result) {
  BlobCounts counts;
  for (const auto& blob : result.blobs) {
    if (!blob.dictionary.empty())
      ++counts.dictionary;
    else if (blob.was_there)
      ++counts.there;
  }
  return counts;
}

// One line for each image of the dictionary that something was found in, in the order of blobs.
void print_dictionary(std::ostream& out, const BuildResult& result) {
  std::vector<std::string> names;
  for (const auto& blob : result.blobs)
    if (!blob.dictionary.empty() &&
        std::find(names.begin(), names.end(), blob.dictionary) == names.end())
      names.push_back(blob.dictionary);
  for (const std::string& name : names) {
    std::uint64_t bytes = 0;
    std::size_t blobs = 0;
    for (const auto& blob : result.blobs) {
      if (blob.dictionary != name) continue;
      bytes += blob.shared_bytes;
      ++blobs;
    }
    out << "  dictionary " << util::printable(name) << ": " << human_bytes(bytes) << " in " << blobs
        << (blobs == 1 ? " blob\n" : " blobs\n");
  }
}

// What each layer came to, where there are several.
void print_layers(std::ostream& out, const BuildResult& result) {
  for (const auto& blob : result.blobs) {
    if (blob.layer == 0 || result.layers < 2) continue;
    out << "  layer " << blob.layer << ": blob of "
        << human_bytes(std::uint64_t{blob.result.nblocks} * 4096) << ", stored "
        << human_bytes(blob.result.stored_size) << (blob.was_there ? " (was in the store)" : "");
    if (blob.shared_bytes > 0)
      out << ", gives " << human_bytes(blob.shared_bytes) << " to layers above";
    out << '\n';
  }
}

}  // namespace

void print_text(std::ostream& out, const BuildResult& result, const std::string& ref,
                double seconds) {
  const auto& data = result.data;
  const std::uint64_t stored = stored_bytes(result);
  const Shared shared = count_shared(result);
  const BlobCounts counts = count_blobs(result);
  const auto ratio = [&](std::uint64_t part) {
    return stored == 0 ? std::string("-")
                       : human_fixed(static_cast<double>(part) / static_cast<double>(stored), 2);
  };
  out << ref << ": " << result.manifest.to_string() << '\n';
  out << "  layers " << result.layers << ", files " << result.files << ", directories "
      << result.directories << ", inodes " << result.inodes << '\n';
  if (result.dropped.count > 0)
    out << "  dropped " << result.dropped.count << " things that EROFS cannot hold (--lossy)\n";
  out << "  input " << human_bytes(data.input_bytes) << ": unique "
      << human_bytes(data.unique_bytes) << ", shared " << human_bytes(data.shared_bytes) << " ("
      << (result.layers > 1 ? "in a layer " : "in the image ") << human_bytes(shared.in_blob);
  if (shared.in_other_layers > 0)
    out << ", with layers below " << human_bytes(shared.in_other_layers);
  if (counts.dictionary > 0 || shared.in_dictionary > 0)
    out << ", with the dictionary " << human_bytes(shared.in_dictionary);
  out << "), holes " << human_bytes(data.hole_bytes) << '\n';
  print_dictionary(out, result);
  print_layers(out, result);
  out << "  bootstrap " << human_bytes(result.bootstrap.size) << " (stored "
      << human_bytes(result.bootstrap.stored_size) << "), blobs " << result.blobs.size() << " ("
      << counts.there << " were in the store, " << counts.dictionary << " of the dictionary)\n";
  out << "  stored " << human_bytes(stored) << " (ratio " << ratio(data.input_bytes)
      << "), added to the store " << human_bytes(result.added_bytes) << '\n';
  out << "  " << human_fixed(seconds, 2) << " s";
  if (seconds > 0)
    out << ", " << human_fixed(static_cast<double>(data.input_bytes) / 1e6 / seconds, 0) << " MB/s";
  out << '\n';
}

void print_json(std::ostream& out, const BuildResult& result, const std::string& ref,
                double seconds) {
  const Shared shared = count_shared(result);
  const std::uint64_t stored = stored_bytes(result);
  nlohmann::ordered_json json;
  json["ref"] = ref;
  json["manifest"] = result.manifest.to_string();
  json["bootstrap"] = {{"digest", result.bootstrap.digest.to_string()},
                       {"size", result.bootstrap.size},
                       {"stored_size", result.bootstrap.stored_size}};
  json["blobs"] = nlohmann::ordered_json::array();
  for (const auto& blob : result.blobs) {
    json["blobs"].push_back({{"digest", blob.result.digest.to_string()},
                             {"size", blob.result.index.uncompressed_size()},
                             {"stored_size", blob.result.stored_size},
                             {"was_there", blob.was_there},
                             {"shared_bytes", blob.shared_bytes}});
    if (blob.layer != 0) json["blobs"].back()["layer"] = blob.layer;
    if (!blob.dictionary.empty()) json["blobs"].back()["dictionary"] = blob.dictionary;
  }
  json["layers"] = result.layers;
  json["files"] = result.files;
  json["directories"] = result.directories;
  json["inodes"] = result.inodes;
  json["chunks"] = {{"unique", result.data.unique_chunks}, {"shared", result.data.shared_chunks}};
  json["dropped"] = result.dropped.count;
  json["bytes"] = {{"input", result.data.input_bytes},
                   {"unique", result.data.unique_bytes},
                   {"shared", result.data.shared_bytes},
                   {"shared_in_blob", shared.in_blob},
                   {"shared_with_layers", shared.in_other_layers},
                   {"shared_with_dictionary", shared.in_dictionary},
                   {"holes", result.data.hole_bytes},
                   {"stored", stored},
                   {"added", result.added_bytes}};
  json["ratio"] = stored == 0
                      ? 0.0
                      : static_cast<double>(result.data.input_bytes) / static_cast<double>(stored);
  json["seconds"] = seconds;
  // Names are made of ASCII (oci::check_ref_name, Store::resolve), so this cannot fail.
  out << json.dump() << '\n';
}

}  // namespace ondemand::mkfs
