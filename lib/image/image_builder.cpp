// SPDX-License-Identifier: Apache-2.0
#include "image/image_builder.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "format/image_spec.h"
#include "image/bootstrap_stage.h"
#include "image/dict_plan.h"
#include "image/drop_sparse.h"
#include "image/layer_reader.h"
#include "image/reread.h"
#include "image/staged_source.h"
#include "image/verify.h"
#include "tree/tree_builder.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"
#include "util/thread_pool.h"

namespace ondemand::image {

namespace {

// One thread reads, and no more of them than this keep up with it.  Every one has a compressor of
// its own, so that their number bounds memory as well.
constexpr std::size_t kMaxJobs = 16;
// Chunks wait for each other in order: a few batches a thread keep all of them busy.
constexpr std::size_t kBatchesPerJob = 2;
// However many jobs there are, and however large a chunk is.
constexpr std::size_t kBatchBudget = 12 * std::size_t{util::kMiB};

// A blob of the dictionary as one of the image's own list.
BlobObject donor_object(const DictBlob& blob) {
  BlobObject object;
  const oci::DeviceBlob& device = blob.device;
  object.result.digest = device.descriptor.digest;
  object.result.uncompressed_digest = device.uncompressed_digest.value_or(device.descriptor.digest);
  object.result.stored_size = device.descriptor.size;
  object.result.nblocks = util::narrow<std::uint32_t>(
      util::div_round_up(blob.index.uncompressed_size(), std::uint64_t{chunk::kBlockSize}));
  object.result.index = blob.index;
  object.was_there = true;
  object.dictionary = blob.ref;
  object.layers = BlobLayers{device.descriptor, *device.standalone_index};
  return object;
}

class Builder {
 public:
  Builder(input::ImageInput& input, store::Store& store, const BuildOptions& options)
      : input_(input),
        store_(store),
        options_(options),
        jobs_(std::min(options.jobs, kMaxJobs)),
        pool_(jobs_, jobs_ * (kBatchesPerJob + options.blob.frames_in_flight)) {}

  BuildResult build() {
    const unsigned passes = 1U + options_.one_blob + !options_.dictionary.empty();
    if (options_.progress != nullptr) options_.progress->total = input_.stored_bytes * passes;
    // 1. Layers become a tree and staged blobs.
    tree::Tree tree = options_.one_blob ? read_into_one_blob() : read_layers();
    if (reread_) reread_->check_unchanged();
    if (options_.rules.is_lossy) drop_sparse_files(tree, input_.name, result_.dropped, too_sparse_);
    // All data is placed: no extent changes below this line.
    count(tree);
    // 2. The tree becomes a bootstrap, read back and compared.
    StagedBootstrap bootstrap = make_bootstrap(tree);
    result_.bootstrap = bootstrap.object;
    result_.inodes = bootstrap.inodes;
    // 3. Everything gets its name; the manifest last, and the index after it.
    const Publication image = plan_publication(result_.blobs, bootstrap.object, provenance());
    if (options_.verify) verify(tree, image, bootstrap);
    publish(image, bootstrap);
    return std::move(result_);
  }

 private:
  // What a blob writer needs while a blob is being made.
  struct OpenBlob {
    store::StagedBlob file;
    blob::BlobWriter writer;
    util::DeviceId device;
    std::uint64_t layer = 0;  // from 1; 0: of all layers
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

  // While layers are read every blob has a number of its own, donors of the dictionary first;
  // which device it becomes is known at the end: none without data, that of an earlier layer's blob
  // when the bytes are the same, and none for a donor of which the final tree needs nothing.
  struct Device {
    std::optional<std::size_t> own;    // position in own_
    std::optional<std::size_t> donor;  // position in donors_
  };

  util::DeviceId new_device(const Device& device) {
    devices_.push_back(device);
    return {util::narrow<std::uint16_t>(devices_.size())};
  }

  void open_blob(DataPipeline& data, std::uint64_t layer) {
    open_.push_back(std::make_unique<OpenBlob>(store_, options_.blob, pool_, digests_));
    open_.back()->device = new_device({});
    open_.back()->layer = layer;
    data.begin_blob(open_.back()->writer, open_.back()->device);
  }

  // The last frames of a blob are compressed while the next layer is read already: `left` blobs may
  // stay open.
  void close_blobs(std::size_t left) {
    for (; open_.size() > left; open_.pop_front()) {
      OpenBlob& open = *open_.front();
      blob::BlobResult blob = open.writer.finish();
      if (blob.nblocks == 0) continue;
      std::size_t at = 0;
      while (at < own_.size() && own_[at].result.digest != blob.digest)
        ++at;
      devices_[open.device.value - 1U].own = at;
      if (at < own_.size()) continue;
      own_.push_back({std::move(blob), false, open.layer, {}, 0, {}});
      staged_.push_back(std::move(open.file));
    }
  }

  // Gives every extent its final device, and every blob its place: donors first, then our own.
  void set_final_devices(tree::Tree& tree, const DataStats& stats) {
    std::vector<bool> is_used(devices_.size());
    for (const tree::Inode& inode : tree.inodes)
      for (const chunk::Extent& extent : inode.extents)
        if (inode.nlink > 0) is_used[extent.device.value - 1U] = true;
    std::vector<util::DeviceId> final_devices(devices_.size());
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      if (!devices_[i].donor || !is_used[i]) continue;
      result_.blobs.push_back(std::move(donors_[*devices_[i].donor]));
      final_devices[i] = {util::narrow<std::uint16_t>(result_.blobs.size())};
    }
    ndonors_ = result_.blobs.size();
    for (std::size_t i = 0; i < devices_.size(); ++i)
      if (devices_[i].own)
        final_devices[i] = {util::narrow<std::uint16_t>(ndonors_ + *devices_[i].own + 1)};
    for (BlobObject& blob : own_)
      result_.blobs.push_back(std::move(blob));
    for (std::size_t i = 0; i < devices_.size() && i + 1 < stats.shared_from.size(); ++i)
      (final_devices[i].value != 0 ? result_.blobs[final_devices[i].value - 1U].shared_bytes
                                   : result_.dropped_shared_bytes) += stats.shared_from[i + 1];
    // A file that lost its last name may have lain in a donor that is dropped.
    for (tree::Inode& inode : tree.inodes) {
      if (inode.nlink == 0) inode.extents.clear();
      for (chunk::Extent& extent : inode.extents)
        extent.device = final_devices[extent.device.value - 1U];
    }
  }

  // Which blobs of the dictionary are worth referring to is known only when all of the image has
  // been seen.  `read` gives the files of one layer to a sink.
  template <class Read>
  void choose_donors(Read read) {
    if (options_.dictionary.empty()) return;
    ChunkDict dict(store_, options_.dictionary, options_.chunk_size, pool_, options_.temporary);
    DictPlan plan(dict);
    DataPipeline data = make_pipeline([](tree::InodeId, const chunk::Extent&) {});
    const auto add = [&plan](const hash::Digest& digest, const util::SharedBytes& chunk) {
      plan.add(digest, chunk.bytes);
      return util::BlockAddr{};
    };
    if (options_.one_blob) plan.begin_blob();
    for (const input::Layer& layer : input_.layers) {
      if (!options_.one_blob) plan.begin_blob();
      data.begin_blob(add, {1});
      read(layer, data);
      data.end_blob();
    }
    const DictChoice choice = plan.choose(options_.max_blobs);
    if (choice.blobs.empty() && choice.own_blobs >= options_.max_blobs)
      result_.warnings.push_back(util::concat("chunk dictionary: not used: the image has ",
                                              choice.own_blobs, " blobs of its own, at most ",
                                              options_.max_blobs, " are allowed"));
    for (const std::uint32_t blob : choice.blobs) {
      new_device({std::nullopt, donors_.size()});
      donors_.push_back(donor_object(dict.blobs()[blob]));
    }
    known_ = choice.chunks;
  }

  tree::Tree read_layers() {
    if (!options_.dictionary.empty()) {
      make_rereadable();
      tree::TreeBuilder unused(options_.rules.whiteouts);
      std::vector<std::string> told_later;
      LayerReader reader(unused, told_later, &digests_);
      DropList dropped_later;
      set_up(reader, dropped_later, false);
      choose_donors(
          [&](const input::Layer& layer, DataPipeline& data) { reader.read(layer, &data); });
    }
    tree::TreeBuilder builder(options_.rules.whiteouts);
    LayerReader reader(builder, result_.warnings, &digests_);
    set_up(reader, result_.dropped, true);
    DataPipeline data = make_pipeline([&builder](tree::InodeId inode, const chunk::Extent& extent) {
      chunk::append_extent(builder.inode(inode).extents, extent);
    });
    add_known_chunks(data);
    std::uint64_t number = 0;
    for (const input::Layer& layer : input_.layers) {
      open_blob(data, ++number);
      reader.read(layer, &data);
      data.end_blob();
      close_blobs(1);
    }
    close_blobs(0);
    result_.data = data.stats();
    too_sparse_ = data.too_sparse();
    tree::Tree tree = builder.finish();
    set_final_devices(tree, result_.data);
    return tree;
  }

  // Two passes: which files are left is known only when all layers have been merged.
  tree::Tree read_into_one_blob() {
    make_rereadable();
    tree::TreeBuilder builder(options_.rules.whiteouts);
    LayerReader reader(builder, result_.warnings, &digests_);
    set_up(reader, result_.dropped, true);
    for (const input::Layer& layer : input_.layers)
      reader.read(layer, nullptr);
    tree::Tree tree = builder.finish();
    const auto is_left = [&tree](tree::InodeId inode) { return tree.inodes[inode].nlink > 0; };
    choose_donors([&](const input::Layer& layer, DataPipeline& data) {
      reader.reread(layer, data, is_left);
    });
    reader.rewind();
    DataPipeline data = make_pipeline([&tree](tree::InodeId inode, const chunk::Extent& extent) {
      chunk::append_extent(tree.inodes[inode].extents, extent);
    });
    add_known_chunks(data);
    open_blob(data, 0);
    for (const input::Layer& layer : input_.layers)
      reader.reread(layer, data, is_left);
    data.end_blob();
    close_blobs(0);
    result_.data = data.stats();
    too_sparse_ = data.too_sparse();
    set_final_devices(tree, result_.data);
    return tree;
  }

  void set_up(LayerReader& reader, DropList& dropped, bool is_for_result) {
    ReadRules rules = options_.rules;
    rules.has_lower_layers = input_.form != input::Form::kRootfs;
    reader.set_rules(rules, dropped);
    reader.set_progress(options_.progress, is_for_result);
    if (options_.verify && is_for_result) reader.record_content(content_);
  }

  void add_known_chunks(DataPipeline& data) {
    for (const auto& [digest, position] : known_)
      data.add_known(digest, position);
    known_ = {};
  }

  DataPipeline make_pipeline(DataPipeline::Placed placed) {
    const std::size_t batches = std::clamp<std::size_t>(
        kBatchBudget / DataPipeline::batch_bytes(options_.chunk_size), 2, jobs_ * kBatchesPerJob);
    return {options_.chunk_size,    batches, pool_, std::move(placed), options_.zero_chunks,
            options_.rules.is_lossy};
  }

  void make_rereadable() { reread_.emplace(input_, options_.temporary, options_.rules.max_bytes); }

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
    // So that no tool takes the image for an empty tar.
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

  Provenance provenance() const {
    Provenance out;
    out.source_config = input_.config_json;
    out.config_name = input_.name;
    out.source_digest = input_.source_digest;
    out.platform = input_.platform;
    out.tool = options_.tool;
    out.epoch = options_.source_date_epoch;
    return out;
  }

  // Through the reader that strangers use; nothing has a name yet.
  void verify(const tree::Tree& tree, const Publication& image, const StagedBootstrap& bootstrap) {
    StagedSource source(store_);
    for (std::size_t i = 0; i < staged_.size(); ++i) {
      const blob::BlobResult& blob = result_.blobs[ndonors_ + i].result;
      source.add_file(blob.digest, staged_[i].fd(), blob.stored_size);
    }
    for (const util::Buffer& index : image.indexes)
      source.add_bytes(std::string(util::as_text(index)));
    source.add_file(bootstrap.object.digest, bootstrap.file.fd(), bootstrap.object.stored_size);
    source.add_bytes(image.config);
    verify_image(source, source.add_bytes(image.manifest), tree, content_, options_.temporary);
  }

  void publish(const Publication& image, StagedBootstrap& bootstrap) {
    for (std::size_t i = 0; i < result_.blobs.size(); ++i) {
      BlobObject& object = result_.blobs[i];
      if (object.layers) {
        store_.make_durable(object.layers->blob.digest);
        store_.make_durable(object.layers->index.digest);
        continue;
      }
      commit(object.result.digest, object.result.stored_size, &object.was_there,
             [&] { staged_[i - ndonors_].commit(object.result.digest); });
      commit(image.layers[i].index.digest, image.indexes[i].size(), nullptr,
             [&] { store_.put_bytes(image.indexes[i], format::kMediaChunkIndex); });
    }
    commit(bootstrap.object.digest, bootstrap.object.stored_size, nullptr,
           [&] { bootstrap.file.commit(bootstrap.object.digest); });
    store_.put_bytes(util::as_bytes(image.config), format::kMediaOciConfig);
    oci::Descriptor descriptor =
        store_.put_bytes(util::as_bytes(image.manifest), format::kMediaOciManifest);
    descriptor.platform = input_.platform;
    descriptor.platform->os_features.assign(1, std::string(format::kOsFeatureErofs));
    result_.manifest = descriptor.digest;
    result_.moved_from = store_.add_image(descriptor, options_.ref).moved_from;
  }

  input::ImageInput& input_;
  store::Store& store_;
  const BuildOptions& options_;
  const std::size_t jobs_;
  BuildResult result_;
  std::vector<Device> devices_;  // by the number that new_device() gave, less one
  std::vector<BlobObject> donors_;
  std::vector<BlobObject> own_;
  std::vector<store::StagedBlob> staged_;  // one for each of own_
  std::optional<Reread> reread_;           // of an input that is read twice
  ContentRecord content_;                  // of what was read, with options_.verify
  std::size_t ndonors_ = 0;                // of result_.blobs
  DataPipeline::TooSparse too_sparse_;     // files to drop
  std::vector<std::pair<hash::Digest, chunk::ChunkPosition>> known_;  // chunks of the donors
  util::ThreadPool pool_;
  hash::DigestQueue digests_{pool_};
  std::deque<std::unique_ptr<OpenBlob>>
      open_;  // in the making, in order; last: they use the others
};

}  // namespace

BuildResult build_image(input::ImageInput& input, store::Store& store,
                        const BuildOptions& options) {
  return Builder(input, store, options).build();
}

}  // namespace ondemand::image
