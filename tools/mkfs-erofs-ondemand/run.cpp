// SPDX-License-Identifier: Apache-2.0
#include "mkfs-erofs-ondemand/run.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <ostream>

#include "cli/progress.h"
#include "cli/tool_main.h"
#include "hash/digest.h"
#include "image/image_builder.h"
#include "input/image_input.h"
#include "mkfs-erofs-ondemand/options.h"
#include "mkfs-erofs-ondemand/summary.h"
#include "oci/reference.h"
#include "store/store.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::mkfs {

namespace {

constexpr const char* kTool = "mkfs-erofs-ondemand";

// A blob in the making is an open file, and an image may have thousands of layers.
void allow_many_files() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Only what says how the file is packed: a dot may also stand in a version, as in app-1.2.tar.gz.
std::string_view without_extensions(std::string_view name) {
  for (const std::string_view extension :
       {".gz", ".xz", ".zst", ".zstd", ".tar", ".tgz", ".txz", ".tzst", ".oci"})
    if (name.ends_with(extension))
      return without_extensions(name.substr(0, name.size() - extension.size()));
  return name;
}

// The name in the store: the option, the image's own, else the file's without its extensions.
std::string choose_ref(const Options& options, const input::ImageInput& input) {
  // A digest selects inside IMAGE; it is no name.
  if (!options.ref.empty() && !hash::Digest::parse(options.ref)) return options.ref;
  const std::string own = oci::make_ref_name(input.default_ref);
  if (!own.empty()) return own;
  std::string name =
      options.image == "-"
          ? "image"
          : std::filesystem::absolute(options.image).lexically_normal().filename().native();
  name = oci::make_ref_name(without_extensions(name));
  return name.empty() ? "image" : name;
}

// Memory for frames is bounded by bytes, however many jobs and however large the frames: as much
// for what is compressed as for what comes out.
std::size_t frames_in_flight(const Options& options) {
  constexpr std::uint64_t kBudget = 12 * std::uint64_t{util::kMiB};
  return std::clamp<std::uint64_t>(kBudget / 2 / options.frame_size, 2,
                                   4 * std::uint64_t{options.jobs});
}

// Source: https://reproducible-builds.org/specs/source-date-epoch/
std::optional<std::int64_t> source_date_epoch() {
  constexpr std::uint64_t kLast = 253'402'300'799;  // of the year 9999
  const char* text = std::getenv("SOURCE_DATE_EPOCH");
  if (text == nullptr || *text == '\0') return std::nullopt;
  const auto seconds = util::parse_u64(text);
  if (!seconds || *seconds > kLast)
    throw util::Error(util::ErrorCode::kUsage,
                      util::concat("SOURCE_DATE_EPOCH: read: '", util::printable(text),
                                   "' is no number of seconds up to the year 9999"));
  return static_cast<std::int64_t>(*seconds);
}

image::BuildOptions build_options(const Options& options, const std::string& ref) {
  image::BuildOptions build;
  build.ref = ref;
  build.chunk_size = static_cast<std::uint32_t>(options.chunk_size);
  build.zero_chunks = options.zero_chunks;
  build.blob.form = options.is_compressed ? blob::StoredForm::kZstd : blob::StoredForm::kRaw;
  build.blob.zstd_level = options.zstd_level;
  build.blob.frame_size = static_cast<std::uint32_t>(options.frame_size);
  build.blob.frames_in_flight = frames_in_flight(options);
  build.one_blob = options.blobs == BlobLayout::kImage;
  build.dictionary = options.chunk_dict;
  build.max_blobs = options.max_blobs;
  build.jobs = options.jobs;
  build.verify = options.verify;
  build.rules = options.rules;
  build.source_date_epoch = source_date_epoch();
  build.tool = cli::version_text(kTool);
  return build;
}

// --ref selects where IMAGE holds several images, and names the result in any case.
input::ImageInput open_input(const Options& options, const cli::Io& io,
                             std::atomic<std::uint64_t>& kept_bytes) {
  input::InputOptions in;
  in.kept_bytes = &kept_bytes;
  in.image = options.image;
  in.stdin_fd = io.in_fd;
  in.ref = options.ref;
  in.ref_is_optional = true;
  in.max_bytes = options.rules.max_bytes;
  if (!options.platform.empty()) in.platform = oci::parse_platform(options.platform);
  return input::open_image(in);
}

// The name of the image would pass from the tar image to ours, in the user's own layout.
void refuse_own_input(const Options& options) {
  std::error_code ignored;
  if (options.image != "-" && std::filesystem::equivalent(options.image, options.output, ignored)) {
    throw util::Error(util::ErrorCode::kUsage,
                      util::concat(util::printable(options.output),
                                   ": write: is the source image; choose another --output"));
  }
}

// An archive from a pipe is kept first, then its layers are read: two times from nothing on.
image::BuildResult build_told(const Options& options, cli::Io& io, std::string& ref) {
  std::atomic<std::uint64_t> kept_bytes{0};
  image::ReadProgress progress;
  const cli::ProgressMeter meter(io, !options.quiet, [&kept_bytes, &progress] {
    if (progress.stored_bytes == 0) return cli::ProgressState{kept_bytes, 0, 0};
    return cli::ProgressState{progress.stored_bytes, progress.total, progress.files};
  });
  input::ImageInput input = open_input(options, io, kept_bytes);
  store::Store store = store::Store::create_or_open(
      options.output, options.sync ? util::Durability::kSync : util::Durability::kNoSync);
  ref = choose_ref(options, input);
  image::BuildOptions build = build_options(options, ref);
  build.progress = &progress;
  return build_image(input, store, build);
}

int build(const Options& options, cli::Io& io) {
  const auto start = std::chrono::steady_clock::now();
  if (!options.ref.empty() && !hash::Digest::parse(options.ref)) oci::check_ref_name(options.ref);
  source_date_epoch();  // a wrong one is told before anything is made
  refuse_own_input(options);
  allow_many_files();
  std::string ref;
  const image::BuildResult result = build_told(options, io, ref);
  for (const std::string& warning : result.warnings)
    io.err << kTool << ": warning: " << warning << '\n';
  for (const std::string& line : result.dropped.lines)
    io.err << kTool << ": warning: " << line << '\n';
  if (result.dropped.count > result.dropped.lines.size())
    io.err << kTool << ": warning: " << result.dropped.count
           << " things were dropped in all, of which these are the first\n";
  if (result.moved_from && !options.quiet) {
    io.err << kTool << ": " << ref << ": was the name of " << result.moved_from->to_string()
           << ", which stays in the store by its digest\n";
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (options.json) {
    print_json(io.out, result, ref, seconds.count());
  } else if (!options.quiet) {
    print_text(io.out, result, ref, seconds.count());
  }
  // The image is there all the same: say so, in place of what run_guarded() would.
  io.out.flush();
  if (!io.out)
    throw util::Error(
        util::ErrorCode::kIo,
        util::concat("standard output: write: failed; the image is in the store as ", ref));
  return cli::kExitOk;
}

}  // namespace

int run(const std::vector<std::string>& args, cli::Io& io) {
  Options options;
  if (const int status = parse_options(args, io, options); status >= 0) return status;
  return cli::run_guarded(kTool, io, [&] { return build(options, io); });
}

}  // namespace ondemand::mkfs
