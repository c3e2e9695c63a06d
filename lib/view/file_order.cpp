// SPDX-License-Identifier: Apache-2.0
//
// The builder appends a chunk when it meets it first.  So at any time the blob is written up to a
// frontier, and the file that comes next is one whose first chunk behind the frontier lies right at
// it and whose further new chunks follow on.  Of several such files the one that goes on longest is
// taken: a file that has the chunks at 10 and 12 only must not come before the one with 10, 11, 12.
#include "view/file_order.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "chunk/extent.h"

namespace ondemand::view {

namespace {

using erofs::FileExtent;

// Files whose place is looked for again more often than this are taken as they come: a made-up
// image must not cost more than in proportion to its size.
constexpr std::uint8_t kMaxTries = 8;

// A block of the devices, all of them behind each other.
std::uint64_t position_of(const FileExtent& extent) {
  return std::uint64_t{extent.device.value} << 48 | extent.address / chunk::kBlockSize;
}
std::uint64_t blocks_of(const FileExtent& extent) {
  return (extent.file.len + chunk::kBlockSize - 1) / chunk::kBlockSize;
}
bool is_on_device(const FileExtent& extent) {
  return extent.kind == erofs::ExtentKind::kBlocks && extent.device.value != 0;
}

struct Candidate {
  std::uint64_t begin = 0;  // its first block at or behind the frontier
  std::uint64_t run = 0;    // blocks that it adds there without a gap; 0: nothing is new
  std::uint32_t file = 0;
  std::uint8_t tries = 0;
};

struct ComesLater {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return std::make_tuple(a.begin, ~a.run, a.file) > std::make_tuple(b.begin, ~b.run, b.file);
  }
};

// False when the file has nothing at or behind the frontier.
bool find_place(const erofs::BootstrapReader& bootstrap, const erofs::InodeInfo& inode,
                std::uint64_t frontier, Candidate& out) {
  constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::uint64_t begin = kNone;
  bootstrap.for_each_extent(inode, [&](const FileExtent& extent) {
    if (!is_on_device(extent)) return;
    const std::uint64_t at = position_of(extent);
    if (at + blocks_of(extent) > frontier) begin = std::min(begin, std::max(at, frontier));
  });
  if (begin == kNone) return false;
  std::uint64_t end = begin;
  bool goes_on = true;
  bootstrap.for_each_extent(inode, [&](const FileExtent& extent) {
    if (!is_on_device(extent) || !goes_on) return;
    const std::uint64_t at = position_of(extent);
    if (at > end)
      goes_on = false;
    else
      end = std::max(end, at + blocks_of(extent));
  });
  out.begin = begin;
  out.run = end - begin;
  return true;
}

}  // namespace

std::vector<std::uint32_t> data_order(const erofs::BootstrapReader& bootstrap,
                                      const std::vector<util::Nid>& files) {
  std::priority_queue<Candidate, std::vector<Candidate>, ComesLater> queue;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const erofs::InodeInfo inode = bootstrap.inode(files[i]);
    Candidate candidate;
    candidate.file = static_cast<std::uint32_t>(i);
    if (inode.type == tree::FileType::kRegular && find_place(bootstrap, inode, 0, candidate))
      queue.push(candidate);
  }
  std::vector<std::uint32_t> order;
  order.reserve(queue.size());
  std::uint64_t frontier = 0;
  while (!queue.empty()) {
    Candidate next = queue.top();
    queue.pop();
    if (next.begin < frontier && next.tries < kMaxTries) {
      ++next.tries;
      if (find_place(bootstrap, bootstrap.inode(files[next.file]), frontier, next)) {
        queue.push(next);
        continue;
      }
    }
    order.push_back(next.file);
    frontier = std::max(frontier, next.begin + next.run);
  }
  return order;
}

}  // namespace ondemand::view
