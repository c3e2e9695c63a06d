// SPDX-License-Identifier: Apache-2.0
#include "mkfs-erofs-ondemand/summary.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "util/text.h"

namespace ondemand::mkfs {

namespace {

using image::BuildResult;
using util::human_bytes;
using util::human_fixed;

std::uint64_t stored_bytes(const BuildResult& result) {
  std::uint64_t bytes = result.bootstrap.stored_size;
  for (const auto& blob : result.blobs)
    bytes += blob.result.stored_size;
  return bytes;
}

std::size_t blobs_there(const BuildResult& result) {
  std::size_t count = 0;
  for (const auto& blob : result.blobs)
    count += blob.was_there ? 1 : 0;
  return count;
}

}  // namespace

void print_text(std::ostream& out, const BuildResult& result, const std::string& ref,
                double seconds) {
  const auto& data = result.data;
  const std::uint64_t stored = stored_bytes(result);
  const auto ratio = [&](std::uint64_t part) {
    return stored == 0 ? std::string("-")
                       : human_fixed(static_cast<double>(part) / static_cast<double>(stored), 2);
  };
  out << ref << ": " << result.manifest.to_string() << '\n';
  out << "  layers " << result.layers << ", files " << result.files << ", directories "
      << result.directories << ", inodes " << result.inodes << '\n';
  out << "  input " << human_bytes(data.input_bytes) << ": unique "
      << human_bytes(data.unique_bytes) << ", shared " << human_bytes(data.shared_bytes)
      << ", holes " << human_bytes(data.hole_bytes) << '\n';
  out << "  bootstrap " << human_bytes(result.bootstrap.size) << " (stored "
      << human_bytes(result.bootstrap.stored_size) << "), blobs " << result.blobs.size() << " ("
      << blobs_there(result) << " were in the store)\n";
  out << "  stored " << human_bytes(stored) << " (ratio " << ratio(data.input_bytes)
      << "), added to the store " << human_bytes(result.added_bytes) << '\n';
  out << "  " << human_fixed(seconds, 2) << " s";
  if (seconds > 0)
    out << ", " << human_fixed(static_cast<double>(data.input_bytes) / 1e6 / seconds, 0) << " MB/s";
  out << '\n';
}

void print_json(std::ostream& out, const BuildResult& result, const std::string& ref,
                double seconds) {
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
                             {"was_there", blob.was_there}});
  }
  json["layers"] = result.layers;
  json["files"] = result.files;
  json["directories"] = result.directories;
  json["inodes"] = result.inodes;
  json["bytes"] = {{"input", result.data.input_bytes},   {"unique", result.data.unique_bytes},
                   {"shared", result.data.shared_bytes}, {"holes", result.data.hole_bytes},
                   {"stored", stored_bytes(result)},     {"added", result.added_bytes}};
  json["seconds"] = seconds;
  // A name is made of ASCII (oci::check_ref_name), so this cannot fail.
  out << json.dump() << '\n';
}

}  // namespace ondemand::mkfs
