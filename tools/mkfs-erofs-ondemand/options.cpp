// SPDX-License-Identifier: Apache-2.0
#include "mkfs-erofs-ondemand/options.h"

#include <CLI/CLI.hpp>
#include <bit>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "chunk/extent.h"
#include "cli/tool_main.h"
#include "util/text.h"

namespace ondemand::mkfs {

namespace {

constexpr const char* kTool = "mkfs-erofs-ondemand";
constexpr std::uint64_t kMaxChunkSize = 64 * std::uint64_t{util::kMiB};
constexpr std::uint64_t kMaxFrameSize = 16 * std::uint64_t{util::kMiB};
constexpr int kMaxZstdLevel = 19;
constexpr unsigned kMaxJobs = 256;
// Each takes two layers and about 1 KiB of a manifest, and registries take manifests of 4 MiB.
// Source: OCI distribution specification 1.1, "Pushing Manifests".
constexpr std::size_t kMaxMaxBlobs = 2048;

// Digits and a suffix: CLI11 alone takes -1 for the largest number.
std::string check_size(const std::string& text) {
  return text.starts_with('-') ? "must not be negative" : std::string();
}

// A size option: K, M, G suffixes are powers of 1024.
CLI::Option* add_size(CLI::App& app, const char* name, std::uint64_t& value, const char* help,
                      std::uint64_t max, bool power_of_two) {
  return app.add_option(name, value, help)
      ->transform(CLI::AsSizeValue(false))
      ->transform(CLI::Validator(check_size, ""))
      ->check([max, power_of_two](const std::string& text) -> std::string {
        const auto size = util::parse_u64(text);
        if (!size || *size < chunk::kBlockSize || *size > max)
          return util::concat("must be from 4096 to ", max, " bytes");
        if (power_of_two && !std::has_single_bit(*size)) return "must be a power of two";
        if (*size % chunk::kBlockSize != 0) return "must be a multiple of 4096";
        return {};
      });
}

// "none", "zstd" or "zstd:LEVEL".
std::string check_compression(const std::string& text, Options& options) {
  options.is_compressed = text != "none";
  if (text == "none" || text == "zstd") return {};
  if (text.starts_with("zstd:")) {
    const auto level = util::parse_u64(std::string_view(text).substr(5));
    if (level && *level >= 1 && *level <= kMaxZstdLevel) {
      options.zstd_level = static_cast<int>(*level);
      return {};
    }
  }
  return util::concat("must be none, zstd or zstd:1 to zstd:", kMaxZstdLevel);
}

// One of a few words.  CLI11's transformers would take the numbers behind them as well.
template <class Value>
CLI::Option* add_choice(CLI::App& app, const char* name, Value& value, const char* help,
                        const std::vector<std::pair<std::string, Value>>& choices) {
  std::string words;
  for (const auto& [word, meaning] : choices)
    words += (words.empty() ? "" : "|") + word;
  return app
      .add_option_function<std::string>(
          name,
          [&value, choices, words, name](const std::string& text) {
            for (const auto& [word, meaning] : choices) {
              if (word != text) continue;
              value = meaning;
              return;
            }
            throw CLI::ValidationError(name, util::concat("must be one of ", words));
          },
          help)
      ->type_name(words);
}

void add_input_options(CLI::App& app, Options& options) {
  app.add_option("IMAGE", options.image,
                 "OCI archive, docker-save archive, OCI layout directory or root filesystem tar; "
                 "- is standard input")
      ->required()
      ->check(cli::refuse_empty);
  app.add_option("--platform", options.platform,
                 "take this platform (os/arch[/variant]) of an image index");
}

void add_reading_options(CLI::App& app, Options& options) {
  add_choice<tree::WhiteoutStyle>(
      app, "--whiteouts", options.rules.whiteouts,
      "what removes files of lower layers. oci: names that begin with .wh.; overlayfs: "
      "character devices 0:0 and trusted.overlay.* attributes",
      {{"oci", tree::WhiteoutStyle::kOci}, {"overlayfs", tree::WhiteoutStyle::kOverlay}})
      ->default_str("oci");
  app.add_flag("--lossy", options.rules.is_lossy,
               "drop what EROFS cannot hold (some extended attributes and ACLs) and tell it, "
               "instead of refusing the image");
  app.add_option("--max-entries", options.rules.max_entries,
                 "refuse images with more entries than this")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 31));
  app.add_option("--max-bytes", options.rules.max_bytes,
                 "refuse images whose layers have more bytes than this, uncompressed (1T)")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false))
      ->transform(CLI::Validator(check_size, ""));  // the last one added runs first
}

void add_output_options(CLI::App& app, Options& options) {
  app.add_option("-o,--output", options.output,
                 "store (OCI image layout) that the image is added to")
      ->type_name("STORE")
      ->check(cli::refuse_empty)
      ->capture_default_str();
  app.add_option(
         "--ref", options.ref,
         "the name in the store (default: the image's own, else that of the file), which also "
         "selects in an IMAGE of several; or sha256:..., which only selects, anywhere in "
         "IMAGE")
      ->type_name("NAME");
  add_size(app, "--chunk-size", options.chunk_size, "unit of deduplication, a power of two (64K)",
           kMaxChunkSize, true)
      ->type_name("SIZE");
  add_size(app, "--frame-size", options.frame_size,
           "unit of fetch, verification and decompression (256K)", kMaxFrameSize, false)
      ->type_name("SIZE");
  add_choice<image::ZeroChunks>(
      app, "--zero-chunks", options.zero_chunks,
      "chunks of zeros and holes of sparse files. hole: are in no blob; data: are chunks like "
      "others, for mounts over fscache on kernels that misread data behind a hole",
      {{"hole", image::ZeroChunks::kHole}, {"data", image::ZeroChunks::kData}})
      ->default_str("hole");
  app.add_option("--compression", options.compression, "none or zstd[:LEVEL]")
      ->type_name("METHOD")
      ->capture_default_str()
      ->check([&options](const std::string& text) { return check_compression(text, options); });
  add_choice<BlobLayout>(
      app, "--blobs", options.blobs,
      "layer: one blob for each layer, shared by images on one base; image: one blob of what the "
      "final tree needs",
      {{"layer", BlobLayout::kLayer}, {"image", BlobLayout::kImage}})
      ->default_str("layer");
}

void add_dictionary_options(CLI::App& app, Options& options) {
  app.add_option("--chunk-dict", options.chunk_dict,
                 "do not store again what this image of the store has: refer to its blobs; may be "
                 "given several times")
      ->type_name("REF")
      ->allow_extra_args(false);
  app.add_option("--max-blobs", options.max_blobs,
                 "how many blobs the image may refer to, its own always among them")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, kMaxMaxBlobs));
}

void add_running_options(CLI::App& app, Options& options) {
  app.add_option("-j,--jobs", options.jobs, "worker threads (number of processors)")
      ->check(CLI::Range(1U, kMaxJobs));
  app.add_flag(
      "!--no-sync", options.sync,
      "leave writing to the disk to the kernel: faster, but a power cut may lose the image");
  app.add_flag("--verify", options.verify,
               "read the image back and compare it with what went in before it becomes visible");
  app.add_flag("--json", options.json, "print the summary as JSON");
  app.add_flag("-q,--quiet", options.quiet, "print no summary and no progress");
  app.set_version_flag("--version", cli::version_text(kTool));
}

}  // namespace

int parse_options(const std::vector<std::string>& args, cli::Io& io, Options& options) {
  CLI::App app("Adds a container image to a store as an EROFS bootstrap and deduplicated blobs.",
               kTool);
  add_input_options(app, options);
  add_reading_options(app, options);
  add_output_options(app, options);
  add_dictionary_options(app, options);
  add_running_options(app, options);
  if (const int status = cli::parse_arguments(app, kTool, args, io); status >= 0) return status;
  if (options.jobs == 0)
    options.jobs = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxJobs);
  return -1;
}

}  // namespace ondemand::mkfs
