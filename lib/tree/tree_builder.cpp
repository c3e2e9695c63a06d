// SPDX-License-Identifier: Apache-2.0
#include "tree/tree_builder.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tree/layer_tree.h"
#include "tree/merge.h"
#include "tree/path.h"
#include "tree/xattr_pool.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tree {

namespace {

using tar::EntryType;
using util::concat;
using util::Error;
using util::ErrorCode;

FileType file_type(EntryType type) {
  switch (type) {
    case EntryType::kRegular:
      return FileType::kRegular;
    case EntryType::kDirectory:
      return FileType::kDirectory;
    case EntryType::kSymlink:
      return FileType::kSymlink;
    case EntryType::kCharDevice:
      return FileType::kCharDevice;
    case EntryType::kBlockDevice:
      return FileType::kBlockDevice;
    case EntryType::kFifo:
      return FileType::kFifo;
    case EntryType::kSocket:
      return FileType::kSocket;
    case EntryType::kHardlink:
      break;
  }
  throw Error(ErrorCode::kInternal, "tree: add entry: a hard link has no type of its own");
}

[[noreturn]] void refuse(std::string_view path, std::string_view reason) {
  throw Error(ErrorCode::kCorrupt, concat(util::printable(path), ": add entry: ", reason));
}

}  // namespace

struct TreeBuilder::Impl {
  WhiteoutStyle style;
  Tree tree;
  XattrPool xattrs;
  std::optional<LayerTree> layer;
  OnDrop on_drop;
  WalkBudget budget;
  bool has_dropped = false;  // names in the tree, of layers that ended

  Inode make_inode(tar::Entry& entry) {
    Inode inode;
    inode.type = file_type(entry.type);
    inode.permissions = entry.permissions;
    inode.uid = entry.uid;
    inode.gid = entry.gid;
    inode.mtime = entry.mtime;
    inode.rdev_major = entry.rdev_major;
    inode.rdev_minor = entry.rdev_minor;
    if (entry.type == EntryType::kRegular) inode.size = entry.size;
    if (entry.type == EntryType::kSymlink) {
      inode.inline_data = entry.link_target;
      inode.size = entry.link_target.size();
    }
    inode.xattrs = xattrs.intern(std::move(entry.xattrs));
    return inode;
  }

  // True when the entry was a marker and is done with.  `path` is not empty.
  bool add_oci_marker(std::string_view path, std::string_view parent, std::string_view name,
                      EntryType type) {
    const bool may_be_linked = type != EntryType::kDirectory && type != EntryType::kHardlink;
    if (parent == kPseudoLinks && may_be_linked) return false;
    for (std::string_view rest = parent; !rest.empty();) {
      switch (classify_name(take_component(rest)).kind) {
        case NameKind::kPlain:
          break;
        case NameKind::kIgnored:
          return true;
        default:
          refuse(path, "a whiteout is used as a directory");
      }
    }
    const ClassifiedName classified = classify_name(name);
    switch (classified.kind) {
      case NameKind::kPlain:
        return false;
      case NameKind::kIgnored:
        return true;
      case NameKind::kOpaque:
        layer->mark_opaque(layer->make_directory(parent));
        return true;
      case NameKind::kWhiteout:
        layer->add_whiteout(layer->make_directory(parent), classified.target);
        return true;
    }
    return false;
  }

  void tell_drop(const std::string& path, std::string_view reason) {
    if (on_drop) on_drop(path, concat("dropped with the entry: ", reason));
  }

  LayerTree::OnGone tell_gone() {
    return [this](const std::string& path, const std::string& directory) {
      tell_drop(path, path == directory
                          ? std::string("no other entry gives its metadata")
                          : concat("lies in ", util::printable(directory), ", which is dropped"));
    };
  }

  // True: a directory keeps the metadata that it had.
  bool drop(tar::Entry& entry) {
    const bool is_directory = entry.type == EntryType::kDirectory;
    try {
      const std::string path = normalize_path(entry.path);
      const std::size_t slash = path.rfind('/');
      const bool top = slash == std::string::npos;
      const std::string parent = top ? std::string() : path.substr(0, slash);
      const std::string name = top ? path : path.substr(slash + 1);
      OverlayMarks marks;
      if (style == WhiteoutStyle::kOverlay)
        marks = take_overlay_marks(entry, [](const std::string&) {});
      else if (!path.empty() && add_oci_marker(path, parent, name, entry.type))
        return false;
      if (path.empty()) {  // the root is there in any case
        if (marks.opaque) layer->mark_opaque(layer->make_directory(path));
        return is_directory;
      }
      if (marks.whiteout) {
        layer->put_whiteout(layer->make_directory(parent), name);
        return false;
      }
      if (!is_directory) {
        layer->put_dropped(layer->make_directory(parent), name);
        return false;
      }
      const bool is_kept = layer->put_dropped_directory(path, tell_gone());
      if (is_kept && marks.opaque) layer->mark_opaque(layer->make_directory(path));
      return is_kept;
    } catch (const UnfitPath&) {
      return false;  // no layer has anything at such a path
    }
  }

  InodeId add(tar::Entry& entry) {
    budget.add_entry();
    const std::string path = normalize_path(entry.path);
    const std::size_t slash = path.rfind('/');
    const bool top = slash == std::string::npos;
    const auto parent = top ? std::string_view() : std::string_view(path).substr(0, slash);
    const auto name = top ? std::string_view(path) : std::string_view(path).substr(slash + 1);
    OverlayMarks marks;
    if (style == WhiteoutStyle::kOverlay) {
      marks = take_overlay_marks(entry, [&](const std::string& xattr) {
        if (!on_drop) return;
        on_drop(entry.path, concat("xattr ", util::printable(xattr),
                                   ": dropped: means something to its overlay only"));
      });
      if (marks.whiteout && !path.empty()) {
        layer->put_whiteout(layer->make_directory(parent), name);
        return kNoData;
      }
    } else if (!path.empty() && add_oci_marker(path, parent, name, entry.type)) {
      return kNoData;
    }

    if (entry.type == EntryType::kDirectory) {
      layer->put_directory(path, make_inode(entry));
      if (marks.opaque) layer->mark_opaque(layer->make_directory(path));
      return kNoData;
    }
    if (path.empty()) refuse(entry.path, "the root must be a directory");
    if (entry.type == EntryType::kHardlink) {
      layer->put_link(path, normalize_path(entry.link_target), style);
      return kNoData;
    }
    if (entry.type == EntryType::kSymlink && entry.link_target.empty())
      refuse(entry.path, "symbolic link to nothing");
    const InodeId parent_id = layer->make_parent(parent, name);
    const InodeId id = add_inode(tree, make_inode(entry));
    layer->put(parent_id, name, id);
    return entry.type == EntryType::kRegular ? id : kNoData;
  }
};

bool TreeBuilder::drop(tar::Entry entry) {
  ASSERT(impl_->layer);
  return impl_->drop(entry);
}

TreeBuilder::TreeBuilder(WhiteoutStyle style) : impl_(new Impl{style, {}, {}, {}, {}, {}, false}) {
  add_inode(impl_->tree, implicit_directory());
}

TreeBuilder::~TreeBuilder() = default;

void TreeBuilder::begin_layer() {
  ASSERT(!impl_->layer);
  impl_->layer.emplace(impl_->tree, kRootInode, impl_->has_dropped, impl_->budget);
}

void TreeBuilder::on_drop(OnDrop call) {
  impl_->on_drop = std::move(call);
}

InodeId TreeBuilder::add(tar::Entry entry) {
  ASSERT(impl_->layer);
  try {
    return impl_->add(entry);
  } catch (const UnfitPath& error) {
    if (!is_lossy_) throw;
    impl_->tell_drop(entry.path, error.message());
  }
  impl_->drop(entry);
  return kNoData;
}

std::size_t TreeBuilder::inode_count() const {
  return impl_->tree.inodes.size();
}

Inode& TreeBuilder::inode(InodeId id) {
  ASSERT(id < impl_->tree.inodes.size());
  return impl_->tree.inodes[id];
}

void TreeBuilder::end_layer() {
  ASSERT(impl_->layer);
  impl_->layer->resolve_links(
      [this](const std::string& path, const std::string& target) {
        impl_->tell_drop(path,
                         concat("hard link to ", util::printable(target), ", which is dropped"));
      },
      impl_->tell_gone());
  if (impl_->style == WhiteoutStyle::kOci) impl_->layer->remove(kPseudoLinks);
  merge_layer(impl_->tree, kRootInode, *impl_->layer);
  impl_->has_dropped = impl_->layer->has_dropped();
  impl_->layer.reset();
}

Tree TreeBuilder::finish() {
  ASSERT(!impl_->layer);
  if (impl_->has_dropped) remove_dropped(impl_->tree);
  count_links(impl_->tree);
  return std::move(impl_->tree);
}

}  // namespace ondemand::tree
