// SPDX-License-Identifier: Apache-2.0
//
// Reads the layers of a source image into a tree, and the data of their files into a sink.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hash/digest_queue.h"
#include "image/content_digest.h"
#include "image/file_sink.h"
#include "image/read_rules.h"
#include "input/image_input.h"
#include "tar/tar_reader.h"
#include "tree/tree_builder.h"

namespace ondemand::image {

class LayerReader {
 public:
  // Borrows all; the queue, where there is one, does the digests of the layers.
  LayerReader(tree::TreeBuilder& builder, std::vector<std::string>& warnings,
              hash::DigestQueue* digests = nullptr)
      : builder_(builder), warnings_(warnings), digests_(digests) {}

  // To be called before the first layer.  Borrows `dropped`, which is for rules.is_lossy.
  void set_rules(const ReadRules& rules, DropList& dropped);
  // Borrows it; null: nobody wants to know.  Files are counted in one of several passes.
  void set_progress(ReadProgress* progress, bool counts_files) {
    progress_ = progress;
    counts_files_ = counts_files;
  }
  // From here on the content of every file that goes to a pipeline is recorded.  Borrows it.
  void record_content(ContentRecord& record);

  // One layer: its entries into the tree, the data of its files into `data` (null: only into the
  // tree).  Verified to the end before it returns.
  void read(const input::Layer& layer, FileSink* data);

  // The same layers a second time, in the same order: the data of those files that `wanted`
  // accepts.  Nothing is added to the tree.
  void reread(const input::Layer& layer, FileSink& data,
              const std::function<bool(tree::InodeId)>& wanted);
  // reread() begins with the first layer again.
  void rewind() { next_ = 0; }

 private:
  tree::InodeId add(const input::Layer& layer, tar::Entry& entry);
  void check_count(const input::Layer& layer, std::uint64_t count) const;
  void check_limits(const input::Layer& layer, const tar::Entry& entry);
  // What is left out without harm to the tree: lists it, or else warns of the first of the layer.
  void tell_drop(const input::Layer& layer, const std::string& path, const std::string& what);
  bool drop_entry(const input::Layer& layer, tar::Entry entry);
  void warn_of_whiteout(const input::Layer& layer, const tar::Entry& entry);

  void copy_data(const input::Layer& layer, tar::TarReader& reader, tree::InodeId inode,
                 const tar::Entry& entry, FileSink& data);

  tree::TreeBuilder& builder_;
  std::vector<std::string>& warnings_;
  hash::DigestQueue* digests_;
  ReadRules rules_;
  ReadProgress* progress_ = nullptr;
  bool counts_files_ = false;
  DropList* dropped_ = nullptr;   // not null when the rules are lossy
  std::uint64_t entries_ = 0;     // of all layers
  std::uint64_t bytes_ = 0;       // of all layers, uncompressed
  std::uint64_t text_bytes_ = 0;  // names and link targets that the tree holds
  std::uint64_t whiteout_warnings_ = 0;
  bool told_drop_ = false;      // in this layer
  bool told_absolute_ = false;  // in this layer
  ContentRecord* record_ = nullptr;
  std::unique_ptr<ContentDigest> content_;  // with record_
  // Each entry of every layer: its inode, or kNoData.
  struct Seen {
    tree::InodeId inode;
    std::uint64_t size;
  };
  std::vector<Seen> order_;
  std::size_t next_ = 0;  // position of reread() in order_
};

}  // namespace ondemand::image
