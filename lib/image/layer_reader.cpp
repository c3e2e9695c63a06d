// SPDX-License-Identifier: Apache-2.0
#include "image/layer_reader.h"

#include <algorithm>
#include <utility>

#include "tree/path.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::image {

namespace {

// Ours, beside the limits that the user can change: names and link targets are held in memory.
constexpr std::uint64_t kMaxTextBytes = std::uint64_t{4} << 30;
constexpr std::uint64_t kMaxWhiteoutWarnings = tar::TarReader::kMaxWarnings;

// Ends a stream that goes on beyond what the user allows.
class BoundedSource : public util::ByteSource {
 public:
  BoundedSource(util::ByteSource& inner, std::uint64_t& total, std::uint64_t limit,
                const std::string& name)
      : inner_(inner), total_(total), limit_(limit), name_(name) {}
  std::size_t read(util::MutableBytes out) override {
    const std::size_t got = inner_.read(out);
    total_ += got;
    if (total_ > limit_)
      throw util::Error(
          util::ErrorCode::kTooLarge,
          util::concat(name_, ": read: more than ", limit_,
                       " bytes in all layers, uncompressed; --max-bytes allows more"));
    return got;
  }

 private:
  util::ByteSource& inner_;
  std::uint64_t& total_;
  const std::uint64_t limit_;
  const std::string& name_;
};

// Tells how much of a layer has been read.
class ToldSource : public util::ByteSource {
 public:
  ToldSource(input::LayerStream& inner, ReadProgress* progress)
      : inner_(inner), progress_(progress) {}
  ToldSource(const ToldSource&) = delete;
  ToldSource& operator=(const ToldSource&) = delete;
  ~ToldSource() override { tell(); }  // what the stream read by itself, behind the last entry
  std::size_t read(util::MutableBytes out) override {
    const std::size_t got = inner_.read(out);
    tell();
    return got;
  }

 private:
  void tell() {
    if (progress_ == nullptr) return;
    progress_->stored_bytes += inner_.stored_bytes() - told_;
    told_ = inner_.stored_bytes();
  }

  input::LayerStream& inner_;
  ReadProgress* progress_;
  std::uint64_t told_ = 0;
};

// The tar of a layer; of one that has no bytes, or a single block of zeros, the end mark of an
// archive without entries: such layers exist, and other unpackers take them.
class LayerTar : public util::ByteSource {
 public:
  LayerTar(util::ByteSource& inner, const input::Layer& layer)
      // A whole image of nothing is none.
      : inner_(inner), may_be_empty_(!layer.expectation.needs_tar_end) {}
  std::size_t read(util::MutableBytes out) override {
    const std::size_t got = inner_.read(out);
    if (got == 0) return pad(out);
    const auto zero = [](std::uint8_t byte) { return byte == 0; };
    may_be_empty_ = may_be_empty_ && size_ + got <= kBlock &&
                    std::all_of(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(got), zero);
    size_ += got;
    return got;
  }

 private:
  static constexpr std::size_t kBlock = 512;

  std::size_t pad(util::MutableBytes out) {
    if (!may_be_empty_ || (size_ != 0 && size_ != kBlock)) return 0;
    const std::size_t len = std::min(out.size(), 2 * kBlock - padding_);
    std::fill_n(out.begin(), len, std::uint8_t{0});
    padding_ += len;
    return len;
  }

  util::ByteSource& inner_;
  bool may_be_empty_;
  std::size_t size_ = 0;  // exact up to the second block
  std::size_t padding_ = 0;
};

// Calls `visit` for every entry, then has the stream compare its digests.
template <class Visit>
void for_each_entry(const input::Layer& layer, tar::TarReader& reader, util::ByteSource& source,
                    input::LayerStream& stream, Visit visit) {
  tar::Entry entry;
  while (reader.next(entry))
    visit(entry);
  if (layer.expectation.needs_tar_end && !reader.has_end_mark()) {
    throw util::Error(util::ErrorCode::kCorrupt,
                      layer.name + ": read: the archive has no end mark: it was cut short");
  }
  // What lies behind the end mark counts, too.
  util::Buffer rest(64 * util::kKiB);
  while (source.read(rest) > 0) {
  }
  stream.finish();
}

std::string_view last_name(std::string_view path) {
  while (path.ends_with('/'))
    path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);  // npos + 1 == 0
}

}  // namespace

void LayerReader::record_content(ContentRecord& record) {
  record_ = &record;
  content_ = std::make_unique<ContentDigest>();
}

void LayerReader::copy_data(const input::Layer& layer, tar::TarReader& reader, tree::InodeId inode,
                            const tar::Entry& entry, FileSink& data) {
  // The pipeline knows no names.
  const auto give = [&](auto&& function) {
    try {
      function();
    } catch (const util::Error& error) {
      if (error.code() != util::ErrorCode::kTooLarge) throw;
      throw error.with_context(util::concat(layer.name, ": ", util::printable(entry.path)));
    }
  };
  data.begin_file(inode, entry.size);
  tar::DataBlock block;
  while (reader.read_block(block)) {
    give([&] { data.add(block.offset, block.bytes); });
    if (content_) content_->add(block.offset, block.bytes);
  }
  give([&] { data.end_file(); });
  if (!content_) return;
  if (record_->size() <= inode) record_->resize(std::size_t{inode} + 1);
  (*record_)[inode] = content_->finish(entry.size);
}

void LayerReader::set_rules(const ReadRules& rules, DropList& dropped) {
  rules_ = rules;
  dropped_ = rules.is_lossy ? &dropped : nullptr;
  if (rules.is_lossy) builder_.set_lossy();
}

void LayerReader::check_count(const input::Layer& layer, std::uint64_t count) const {
  if (count <= rules_.max_entries) return;
  throw util::Error(util::ErrorCode::kTooLarge,
                    util::concat(layer.name, ": read: more than ", rules_.max_entries,
                                 " entries in all layers; --max-entries allows more"));
}

void LayerReader::check_limits(const input::Layer& layer, const tar::Entry& entry) {
  check_count(layer, ++entries_);
  text_bytes_ += last_name(entry.path).size() + entry.link_target.size();
  if (text_bytes_ > kMaxTextBytes)
    throw util::Error(util::ErrorCode::kTooLarge,
                      util::concat(layer.name, ": read: more than ", kMaxTextBytes,
                                   " bytes of names and link targets"));
}

void LayerReader::warn_of_whiteout(const input::Layer& layer, const tar::Entry& entry) {
  if (!last_name(entry.path).starts_with(".wh.")) return;
  if (++whiteout_warnings_ > kMaxWhiteoutWarnings) return;
  warnings_.push_back(
      util::concat(layer.name, ": ", util::printable(entry.path),
                   ": is left out: it marks what a layer removes, and there is none below"));
}

void LayerReader::tell_drop(const input::Layer& layer, const std::string& path,
                            const std::string& what) {
  std::string line = util::concat(layer.name, ": ", util::printable(path), ": ", what);
  if (dropped_ != nullptr) {
    dropped_->add(std::move(line));
  } else if (!std::exchange(told_drop_, true)) {
    warnings_.push_back(line + " (told once for a layer; --lossy lists all)");
  }
}

bool LayerReader::drop_entry(const input::Layer& layer, tar::Entry entry) {
  const std::string path = util::printable(entry.path);
  try {
    return builder_.drop(std::move(entry));
  } catch (const tree::BadParent& error) {
    throw error.with_context(util::concat(layer.name, ": ", path));
  } catch (const util::Error& error) {
    throw error.with_context(layer.name);
  }
}

// The tree knows the entry's name only; people need the archive's as well.
tree::InodeId LayerReader::add(const input::Layer& layer, tar::Entry& entry) {
  check_limits(layer, entry);
  if (counts_files_ && progress_ != nullptr && entry.type == tar::EntryType::kRegular)
    ++progress_->files;
  if (!rules_.has_lower_layers && rules_.whiteouts == tree::WhiteoutStyle::kOci)
    warn_of_whiteout(layer, entry);
  if (entry.path.starts_with('/') && !last_name(entry.path).empty() &&
      !std::exchange(told_absolute_, true))
    warnings_.push_back(util::concat(layer.name, ": ", util::printable(entry.path),
                                     ": begins with a slash: taken inside of the root, as are "
                                     "others of this layer"));
  const auto drop = [&](const std::string& what) {
    dropped_->add(util::concat(layer.name, ": ", util::printable(entry.path), ": ", what));
  };
  if (dropped_ != nullptr && !drop_what_does_not_fit(entry, drop)) {
    drop_entry(layer, entry);
    return tree::kNoData;
  }
  tree::InodeId inode = tree::kNoData;
  try {
    inode = builder_.add(entry);
  } catch (const tree::BadParent& error) {
    throw error.with_context(util::concat(layer.name, ": ", util::printable(entry.path)));
  } catch (const util::Error& error) {
    throw error.with_context(layer.name);
  }
  check_count(layer, builder_.inode_count());  // directories that no entry describes count, too
  return inode;
}

void LayerReader::read(const input::Layer& layer, FileSink* data) {
  builder_.begin_layer();
  told_drop_ = false;
  told_absolute_ = false;
  builder_.on_drop(
      [&](const std::string& path, const std::string& what) { tell_drop(layer, path, what); });
  const auto stream = layer.open(digests_);
  ToldSource told(*stream, progress_);
  BoundedSource source(told, bytes_, rules_.max_bytes, layer.name);
  LayerTar archive(source, layer);
  tar::TarReader reader(archive, layer.name);
  if (rules_.whiteouts == tree::WhiteoutStyle::kOci)
    reader.ignore_owners([](const std::string& path) { return tree::is_oci_marker(path); });
  if (dropped_ != nullptr) {
    reader.on_loss([&](const tar::TarReader::Loss& loss) {
      if (!loss.is_entry) return tell_drop(layer, loss.path, loss.what + ": dropped");
      check_count(layer, ++entries_);
      tar::Entry entry;
      entry.path = loss.path;
      entry.type = loss.type;
      entry.xattrs = loss.xattrs;
      entry.size = loss.size;
      entry.rdev_major = loss.rdev_major;
      entry.rdev_minor = loss.rdev_minor;
      const bool is_kept = drop_entry(layer, std::move(entry));
      tell_drop(layer, loss.path,
                loss.what + (is_kept ? ": dropped: the directory keeps the metadata that it had"
                                     : ": dropped with the entry"));
    });
  }
  for_each_entry(layer, reader, source, *stream, [&](tar::Entry& entry) {
    const tree::InodeId inode = add(layer, entry);
    if (data == nullptr) {
      order_.push_back({inode, entry.size});
    } else if (inode != tree::kNoData) {
      copy_data(layer, reader, inode, entry, *data);
    }
  });
  warnings_.insert(warnings_.end(), reader.warnings().begin(), reader.warnings().end());
  try {
    builder_.end_layer();
  } catch (const util::Error& error) {
    throw error.with_context(layer.name);
  }
}

void LayerReader::reread(const input::Layer& layer, FileSink& data,
                         const std::function<bool(tree::InodeId)>& wanted) {
  const auto stream = layer.open(digests_);
  ToldSource source(*stream, progress_);
  LayerTar archive(source, layer);
  tar::TarReader reader(archive, layer.name);
  if (rules_.whiteouts == tree::WhiteoutStyle::kOci)
    reader.ignore_owners([](const std::string& path) { return tree::is_oci_marker(path); });
  // What no image can hold was refused or dropped in the first pass.
  reader.on_loss([](const tar::TarReader::Loss&) {});
  for_each_entry(layer, reader, source, *stream, [&](const tar::Entry& entry) {
    // Nothing but the order tells which entry is which: a file that somebody writes to meanwhile
    // must not get the extents of another.
    if (next_ == order_.size() || order_[next_].size != entry.size)
      throw util::Error(util::ErrorCode::kIo,
                        layer.name + ": read again: changed while it was read");
    const tree::InodeId inode = order_[next_++].inode;
    if (inode != tree::kNoData && wanted(inode)) copy_data(layer, reader, inode, entry, data);
  });
}

}  // namespace ondemand::image
