// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_measure.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <iomanip>
#include <memory>
#include <ostream>
#include <thread>

#include "blobctl/json_writer.h"
#include "codec/zstd.h"
#include "image/measure.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

constexpr std::uint64_t kMinSize = 4096;
constexpr std::uint64_t kMaxSize = 16 * std::uint64_t{util::kMiB};
constexpr std::uint64_t kMaxZstdLevel = 19;
constexpr unsigned kMaxJobs = 256;

std::string check_size(const std::string& text, bool power_of_two) {
  const auto size = util::parse_u64(text);
  if (!size || *size < kMinSize || *size > kMaxSize)
    return util::concat("must be from ", kMinSize, " to ", kMaxSize, " bytes");
  if (power_of_two && !std::has_single_bit(*size)) return "must be a power of two";
  if (*size % kMinSize != 0) return "must be a multiple of 4096";
  return {};
}

int parse_level(const std::string& text) {
  if (text == "none") return 0;
  if (text == "zstd") return codec::kDefaultZstdLevel;
  const auto level =
      text.starts_with("zstd:") ? util::parse_u64(std::string_view(text).substr(5)) : std::nullopt;
  if (!level || *level == 0 || *level > kMaxZstdLevel)
    throw CLI::ValidationError("--compression", "must be none, zstd or zstd:1 to zstd:19");
  return static_cast<int>(*level);
}

CLI::Option* add_sizes(CLI::App& app, const char* name, std::vector<std::uint64_t>& values,
                       const char* help, bool power_of_two) {
  return app.add_option(name, values, help)
      ->type_name("SIZE,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->transform(CLI::AsSizeValue(false))
      ->check([power_of_two](const std::string& text) { return check_size(text, power_of_two); });
}

Action define(CLI::App& app) {
  auto options = std::make_shared<MeasureCommandOptions>();
  app.add_option("IMAGE", options->images,
                 "OCI archives, docker-save archives, OCI layout directories or root filesystem "
                 "tars, each measured behind those before it")
      ->required();
  add_sizes(app, "--chunk-size", options->chunk_sizes,
            "Units of deduplication (4K,16K,64K,256K,1M)", true);
  add_sizes(app, "--frame-size", options->frame_sizes, "Units of compression (256K)", false);
  app.add_option("--compression", options->compression, "none or zstd[:LEVEL] (zstd:3)")
      ->type_name("METHOD,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("-j,--jobs", options->jobs, "Worker threads (number of processors)")
      ->check(CLI::Range(1U, kMaxJobs));
  app.add_flag("--json", options->json, "Print JSON");
  app.footer(
      "Cuts, deduplicates, frames and compresses as mkfs-erofs-ondemand does, into one blob for "
      "each "
      "image; keeps nothing.");
  app.callback([options] {
    options->levels.clear();
    for (const std::string& method : options->compression)
      options->levels.push_back(parse_level(method));
  });
  return [options](cli::Io& io) { return run_measure(*options, io); };
}

// What a second image costs in the best case: data, its index, the bootstrap.
std::uint64_t total(const image::ChunkMeasure& chunk, const image::StoredMeasure& stored) {
  return stored.stored_bytes + stored.index_bytes + chunk.bootstrap_stored_bytes;
}

std::string size_text(std::uint64_t size) {
  return size % util::kMiB == 0 ? util::concat(size / util::kMiB, "M")
                                : util::concat(size / util::kKiB, "K");
}

std::string level_text(int level) {
  return level == 0 ? std::string("none") : util::concat("zstd:", level);
}

void print_text(std::ostream& out, const std::vector<image::ImageMeasure>& images) {
  for (const image::ImageMeasure& image : images) {
    const image::ChunkMeasure& first = image.chunks.front();
    out << image.name << ": " << util::human_bytes(first.input_bytes) << " of files, "
        << first.inodes << " inodes\n"
        << "  chunk   chunks   unique  unique bytes  dedup  frame   method      stored     index"
           "  bootstrap      total\n";
    for (const image::ChunkMeasure& chunk : image.chunks) {
      const std::uint64_t data = chunk.input_bytes - chunk.hole_bytes;
      const double dedup = chunk.unique_bytes == 0 ? 0
                                                   : static_cast<double>(data) /
                                                         static_cast<double>(chunk.unique_bytes);
      for (const image::StoredMeasure& stored : chunk.stored)
        out << std::setw(7) << size_text(chunk.chunk_size) << std::setw(9) << chunk.chunks
            << std::setw(9) << chunk.unique_chunks << std::setw(14) << chunk.unique_bytes
            << std::setw(7) << util::human_fixed(dedup, 3) << std::setw(7)
            << size_text(stored.frame_size) << std::setw(9) << level_text(stored.level)
            << std::setw(12) << stored.stored_bytes << std::setw(10) << stored.index_bytes
            << std::setw(11) << chunk.bootstrap_stored_bytes << std::setw(11)
            << total(chunk, stored) << '\n';
    }
  }
}

void write_chunk(JsonWriter& json, const image::ChunkMeasure& chunk) {
  json.begin_object()
      .member("chunk_size", chunk.chunk_size)
      .member("input_bytes", chunk.input_bytes)
      .member("hole_bytes", chunk.hole_bytes)
      .member("chunks", chunk.chunks)
      .member("unique_chunks", chunk.unique_chunks)
      .member("unique_bytes", chunk.unique_bytes)
      .member("inodes", chunk.inodes)
      .member("bootstrap_bytes", chunk.bootstrap_bytes)
      .member("bootstrap_stored_bytes", chunk.bootstrap_stored_bytes)
      .key("stored")
      .begin_array();
  for (const image::StoredMeasure& stored : chunk.stored)
    json.begin_object()
        .member("frame_size", stored.frame_size)
        .member("compression", level_text(stored.level))
        .member("frames", stored.frames)
        .member("stored_bytes", stored.stored_bytes)
        .member("index_bytes", stored.index_bytes)
        .member("total_bytes", total(chunk, stored))
        .end_object();
  json.end_array().end_object();
}

std::string to_json(const std::vector<image::ImageMeasure>& images) {
  JsonWriter json;
  json.begin_object().key("images").begin_array();
  for (const image::ImageMeasure& image : images) {
    json.begin_object().member("name", image.name).key("chunks").begin_array();
    for (const image::ChunkMeasure& chunk : image.chunks)
      write_chunk(json, chunk);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.text();
}

std::vector<std::uint32_t> narrow_sizes(const std::vector<std::uint64_t>& sizes) {
  std::vector<std::uint32_t> out;
  for (const std::uint64_t size : sizes)
    out.push_back(static_cast<std::uint32_t>(size));
  return out;
}

}  // namespace

int run_measure(const MeasureCommandOptions& options, cli::Io& io) {
  std::vector<input::ImageInput> images;
  for (const std::string& path : options.images) {
    // Every image is read once for each chunk size.
    if (path == "-")
      throw util::Error(util::ErrorCode::kUsage, "standard input: measure: give a file");
    input::InputOptions in;
    in.image = path;
    images.push_back(input::open_image(in));
  }
  image::MeasureOptions measure;
  measure.chunk_sizes = narrow_sizes(options.chunk_sizes);
  measure.frame_sizes = narrow_sizes(options.frame_sizes);
  measure.levels = options.levels;
  measure.jobs = options.jobs != 0 ? options.jobs
                                   : std::clamp(std::thread::hardware_concurrency(), 1U, kMaxJobs);
  const auto result = image::measure_images(images, measure);
  for (const image::ImageMeasure& image : result)
    for (const std::string& warning : image.warnings)
      io.err << "blobctl: warning: " << warning << '\n';
  if (options.json)
    io.out << to_json(result) << '\n';
  else
    print_text(io.out, result);
  return 0;
}

const Command kMeasureCommand{
    "measure", "Say what images would take at several chunk and frame sizes", define};

}  // namespace ondemand::blobctl
