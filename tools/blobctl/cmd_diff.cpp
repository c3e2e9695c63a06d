// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_diff.h"

#include <CLI/CLI.hpp>
#include <array>
#include <memory>
#include <ostream>

#include "blobctl/json_writer.h"
#include "erofs/describe.h"
#include "input/spool.h"
#include "util/text.h"
#include "view/image_diff.h"

namespace ondemand::blobctl {

namespace {

using view::ImageDiff;
using view::PathChange;

Action define(CLI::App& app) {
  auto options = std::make_shared<DiffOptions>();
  add_source_options(app, options->source, true);
  app.add_option("A", options->first, "Name or digest of the first image")->required();
  app.add_option("B", options->second, "Name or digest of the second image")->required();
  app.add_option("--other-store", options->other_store, "Take B from this store directory")
      ->type_name("DIR");
  app.add_flag("--json", options->json, "Print JSON");
  return [options](cli::Io& io) { return run_diff(*options, io); };
}

constexpr std::array<std::string_view, 3> kWords{"added", "removed", "changed"};
constexpr std::array<char, 3> kSigns{'+', '-', '~'};

std::array<std::uint64_t, 3> count_paths(const ImageDiff& diff) {
  std::array<std::uint64_t, 3> counts{};
  for (const view::PathDiff& path : diff.paths)
    ++counts[static_cast<std::size_t>(path.change)];
  return counts;
}

void print_text(const ImageDiff& diff, std::ostream& out) {
  for (const view::PathDiff& path : diff.paths) {
    out << kSigns[static_cast<std::size_t>(path.change)] << ' ' << util::printable(path.path);
    if (path.type == tree::FileType::kDirectory && path.path != "/") out << '/';
    const char* separator = ": ";
    for (const std::string& attribute : path.attributes) {
      out << separator << attribute;
      separator = ", ";
    }
    out << '\n';
  }
  const auto counts = count_paths(diff);
  out << "paths: " << counts[0] << " added, " << counts[1] << " removed, " << counts[2]
      << " changed, " << diff.same_paths << " same\n";
  const auto print = [&out](const view::ChunkCount& count, const char* what) {
    out << count.chunks << " (" << util::human_bytes(count.bytes) << ") " << what;
  };
  out << "chunks: ";
  print(diff.shared, "in both, ");
  print(diff.only_first, "only in A, ");
  print(diff.only_second, "only in B; ");
  out << util::human_bytes(diff.bytes_read) << " read to tell\n";
}

std::string to_json(const ImageDiff& diff) {
  JsonWriter json;
  json.begin_object().key("paths").begin_array();
  for (const view::PathDiff& path : diff.paths) {
    json.begin_object().member("change", kWords[static_cast<std::size_t>(path.change)]);
    json.member("path", path.path).member("type", erofs::to_string(path.type));
    if (path.change == PathChange::kChanged) {
      json.key("attributes").begin_array();
      for (const std::string& attribute : path.attributes)
        json.value(attribute);
      json.end_array();
    }
    json.end_object();
  }
  json.end_array();
  const auto counts = count_paths(diff);
  for (std::size_t i = 0; i < counts.size(); ++i)
    json.member(kWords[i], counts[i]);
  json.member("same", diff.same_paths).key("chunks").begin_object();
  const auto add = [&json](std::string_view name, const view::ChunkCount& count) {
    json.key(name).begin_object().member("chunks", count.chunks).member("bytes", count.bytes);
    json.end_object();
  };
  add("shared", diff.shared);
  add("only_a", diff.only_first);
  add("only_b", diff.only_second);
  json.end_object().member("bytes_read", diff.bytes_read).end_object();
  return json.text();
}

}  // namespace

int run_diff(const DiffOptions& options, cli::Io& io) {
  const auto source = open_source(options.source);
  const auto other =
      options.other_store.empty() ? nullptr : source::open_store_source(options.other_store);
  const auto temporary = input::default_temporary_directory();
  view::ImageView first(*source, options.first, temporary);
  view::ImageView second(other ? *other : *source, options.second, temporary);
  const ImageDiff diff = view::diff_images(first, second);
  if (options.json)
    io.out << to_json(diff) << '\n';
  else
    print_text(diff, io.out);
  return 0;
}

const Command kDiffCommand{"diff", "Tell what differs between two images, by path and by chunk",
                           define};

}  // namespace ondemand::blobctl
