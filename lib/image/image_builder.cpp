// SPDX-License-Identifier: Apache-2.0
#include "image/image_builder.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "format/image_spec.h"
#include "image/bootstrap_stage.h"
#include "image/layer_reader.h"
#include "input/spool.h"
#include "oci/json.h"
#include "tree/tree_builder.h"
#include "util/align.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"
#include "util/thread_pool.h"

namespace ondemand::image {

namespace {

// Chunks wait for each other in order: a few batches a thread keep all of them busy.
constexpr std::size_t kBatchesPerJob = 2;
// Large chunks make large batches: their number is bounded by bytes as well.
constexpr std::size_t kBatchBudget = 128 * std::size_t{util::kMiB};

class Builder {
 public:
  Builder(input::ImageInput& input, store::Store& store, const BuildOptions& options)
      : input_(input),
        store_(store),
        options_(options),
        pool_(options.jobs, options.jobs * (kBatchesPerJob + options.blob.frames_in_flight)) {}

  BuildResult build() {
    // 1. Layers become a tree and staged blobs.
    const tree::Tree tree = options_.one_blob ? read_into_one_blob() : read_layers();
    // All data is placed: no extent changes below this line.
    count(tree);
    // 2. The tree becomes a bootstrap, read back and compared.
    StagedBootstrap bootstrap = make_bootstrap(tree);
    result_.bootstrap = bootstrap.object;
    result_.inodes = bootstrap.inodes;
    // 3. Everything gets its name; the manifest last, and the index after it.
    publish(bootstrap);
    return std::move(result_);
  }

 private:
  // What a blob writer needs while a blob is being made.
  struct OpenBlob {
    store::StagedBlob file;
    blob::BlobWriter writer;
    OpenBlob(store::Store& store, const blob::BlobOptions& options, util::ThreadPool& pool,
             hash::DigestQueue& digests)
        : file(store.stage()), writer(file, options, pool, digests) {}
  };

  // What EROFS cannot hold is told with the entry's path; people need the image's name as well.
  StagedBootstrap make_bootstrap(const tree::Tree& tree) {
    const bool compressed = options_.blob.form == blob::StoredForm::kZstd;
    try {
      return stage_bootstrap(store_, tree, bootstrap_options(),
                             compressed ? options_.blob.zstd_level : 0);
    } catch (const util::Error& error) {
      throw error.with_context(input_.name);
    }
  }

  // Each blob in the making has a device number of its own; which device it becomes is known when
  // it is done: none without data, and that of an earlier layer's blob when the bytes are the same.
  util::DeviceId new_device() {
    final_devices_.emplace_back();
    return {util::narrow<std::uint16_t>(final_devices_.size())};
  }

  void close_blob(std::unique_ptr<OpenBlob> open, DataPipeline& data) {
    data.end_blob();
    blob::BlobResult blob = open->writer.finish();
    if (blob.nblocks == 0) return;
    std::size_t at = 0;
    while (at < result_.blobs.size() && result_.blobs[at].result.digest != blob.digest)
      ++at;
    final_devices_.back() = {util::narrow<std::uint16_t>(at + 1)};
    if (at < result_.blobs.size()) return;
    result_.blobs.push_back({std::move(blob), false});
    staged_.push_back(std::move(open->file));
  }

  void set_final_devices(tree::Tree& tree) const {
    for (tree::Inode& inode : tree.inodes)
      for (chunk::Extent& extent : inode.extents)
        extent.device = final_devices_[extent.device.value - 1U];
  }

  tree::Tree read_layers() {
    tree::TreeBuilder builder;
    LayerReader reader(builder, result_.warnings);
    DataPipeline data = make_pipeline([&builder](tree::InodeId inode, const chunk::Extent& extent) {
      chunk::append_extent(builder.inode(inode).extents, extent);
    });
    for (const input::Layer& layer : input_.layers) {
      auto open = std::make_unique<OpenBlob>(store_, options_.blob, pool_, digests_);
      data.begin_blob(open->writer, new_device());
      reader.read(layer, &data);
      close_blob(std::move(open), data);
    }
    result_.data = data.stats();
    tree::Tree tree = builder.finish();
    set_final_devices(tree);
    return tree;
  }

  // Two passes: which files are left is known only when all layers have been merged.
  tree::Tree read_into_one_blob() {
    make_rereadable();
    tree::TreeBuilder builder;
    LayerReader reader(builder, result_.warnings);
    for (const input::Layer& layer : input_.layers)
      reader.read(layer, nullptr);
    tree::Tree tree = builder.finish();
    DataPipeline data = make_pipeline([&tree](tree::InodeId inode, const chunk::Extent& extent) {
      chunk::append_extent(tree.inodes[inode].extents, extent);
    });
    auto open = std::make_unique<OpenBlob>(store_, options_.blob, pool_, digests_);
    data.begin_blob(open->writer, new_device());
    for (const input::Layer& layer : input_.layers)
      reader.reread(layer, data,
                    [&tree](tree::InodeId inode) { return tree.inodes[inode].nlink > 0; });
    close_blob(std::move(open), data);
    result_.data = data.stats();
    set_final_devices(tree);
    return tree;
  }

  DataPipeline make_pipeline(DataPipeline::Placed placed) {
    const std::size_t batches = std::clamp<std::size_t>(kBatchBudget / options_.chunk_size, 2,
                                                        options_.jobs * kBatchesPerJob);
    return {options_.chunk_size, batches, pool_, std::move(placed)};
  }

  // A root filesystem from a pipe can be read once only: keep a copy of it without a name.
  void make_rereadable() {
    if (input_.form != input::Form::kRootfs || input_.layers.size() != 1) return;
    input::Layer& layer = input_.layers.front();
    auto fd = std::make_shared<util::Fd>(input::open_unlinked_file(options_.temporary));
    const auto source = layer.open_stored();
    util::Buffer piece(std::size_t{util::kMiB});
    std::uint64_t size = 0;
    while (const std::size_t got = source->read(piece)) {
      util::write_full(fd->get(), util::Bytes(piece).first(got), layer.name);
      size += got;
    }
    layer.open_stored = [fd, size, name = layer.name] {
      return std::make_unique<util::FdRangeSource>(fd->get(), util::ByteRange{0, size}, name);
    };
  }

  void count(const tree::Tree& tree) {
    result_.layers = input_.layers.size();
    for (const tree::Inode& inode : tree.inodes) {
      if (inode.nlink == 0) continue;
      if (inode.type == tree::FileType::kRegular) ++result_.files;
      if (inode.type == tree::FileType::kDirectory) ++result_.directories;
    }
  }

  erofs::BootstrapOptions bootstrap_options() const {
    erofs::BootstrapOptions options;
    for (const BlobObject& blob : result_.blobs)
      options.devices.push_back({blob.result.digest.hex(), blob.result.nblocks});
    // So that no tool takes the image for an empty tar (EROFS-IMAGE-SPEC.md, "Tried").
    options.boot_text =
        "This is an EROFS image of metadata; its data is in the blobs that its manifest lists.\n";
    return options;
  }

  template <class Commit>
  void commit(const hash::Digest& digest, std::uint64_t size, bool* was_there, Commit do_commit) {
    const bool there = store_.has_blob(digest);
    if (!there) result_.added_bytes += size;
    if (was_there != nullptr) *was_there = there;
    do_commit();
  }

  void publish(StagedBootstrap& bootstrap) {
    std::vector<BlobLayers> layers;
    for (std::size_t i = 0; i < result_.blobs.size(); ++i) {
      BlobObject& object = result_.blobs[i];
      const util::Buffer index = object.result.index.encode();
      layers.push_back(describe_blob(object.result, index));
      commit(object.result.digest, object.result.stored_size, &object.was_there,
             [&] { staged_[i].commit(object.result.digest); });
      commit(layers.back().index.digest, index.size(), nullptr,
             [&] { store_.put_bytes(index, format::kMediaChunkIndex); });
    }
    commit(bootstrap.object.digest, bootstrap.object.stored_size, nullptr,
           [&] { bootstrap.file.commit(bootstrap.object.digest); });

    Provenance provenance;
    provenance.source_config = input_.config_json;
    provenance.config_name = input_.name;
    provenance.source_digest = input_.source_digest;
    provenance.platform = input_.platform;
    provenance.tool = options_.tool;
    const std::string config =
        make_config(provenance, diff_ids(layers, result_.blobs, bootstrap.object));
    const oci::Descriptor config_descriptor =
        store_.put_bytes(util::as_bytes(config), format::kMediaOciConfig);
    const std::string manifest = oci::to_json(
        make_manifest(config_descriptor, layers, describe_bootstrap(bootstrap.object), provenance));
    oci::Descriptor descriptor =
        store_.put_bytes(util::as_bytes(manifest), format::kMediaOciManifest);
    descriptor.platform = input_.platform;
    descriptor.platform->os_features.assign(1, std::string(format::kOsFeatureErofs));
    result_.manifest = descriptor.digest;
    result_.moved_from = store_.add_image(descriptor, options_.ref).moved_from;
  }

  input::ImageInput& input_;
  store::Store& store_;
  const BuildOptions& options_;
  BuildResult result_;
  std::vector<store::StagedBlob> staged_;      // one for each of result_.blobs
  std::vector<util::DeviceId> final_devices_;  // by the number that new_device() gave, less one
  util::ThreadPool pool_;
  hash::DigestQueue digests_{pool_};
};

}  // namespace

BuildResult build_image(input::ImageInput& input, store::Store& store,
                        const BuildOptions& options) {
  return Builder(input, store, options).build();
}

}  // namespace ondemand::image
