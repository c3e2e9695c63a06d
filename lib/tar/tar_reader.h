// SPDX-License-Identifier: Apache-2.0
//
// Reads a tar archive forward, entry by entry, from any byte source.
//
// Dialects: V7, ustar, GNU (long names, base-256, sparse), pax (per-file and global headers,
// SCHILY and LIBARCHIVE xattrs, ACLs, sparse 0.0, 0.1 and 1.0), star.  Names are the archive's
// bytes; neither locale nor Unicode normalisation touches them.
//
// Why not libarchive: version 3.6.2 ignores global pax headers, and in a UTF-8 locale turns
// decomposed names of pax headers into composed ones, so that the image would not equal its source.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tar/entry.h"
#include "util/bytes.h"
#include "util/stream.h"

namespace ondemand::tar {

// A run of a file's bytes, by its place in the file.
struct DataBlock {
  std::uint64_t offset = 0;  // Unit: bytes; ascending; a gap is a hole
  util::Bytes bytes;         // never empty; valid until the next call of the reader
};

inline constexpr std::size_t kMaxPathBytes = 4096;

class TarReader {
 public:
  // Moves the source forward without reading; false when it ends before.  Unit: bytes.
  using Skipper = std::function<bool(std::uint64_t)>;

  // Borrows `source`; `name` stands in messages.  Without a skipper, what is skipped is read.
  // Thread: one user at a time.
  TarReader(util::ByteSource& source, std::string name, Skipper skipper = {});
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;
  ~TarReader();

  // What an entry has that no image can hold: an ACL that names users or groups without their
  // numbers or is one of NFSv4, xattrs of over kMaxXattrBytes, file flags.  Or the entry itself: an
  // id over 32 bits, a path or link target that is too long, a sparse map of too many pieces.
  struct Loss {
    std::string path;
    std::string what;                      // and why
    bool is_entry = false;                 // next() goes on to the one behind it
    EntryType type = EntryType::kRegular;  // of the entry that goes
    std::vector<Xattr> xattrs = {};        // of the entry that goes, as far as they were read
    std::uint64_t size = 0;                // of its data; of a sparse file perhaps without holes
    std::uint32_t rdev_major = 0;          // 2^32 - 1 for what does not fit
    std::uint32_t rdev_minor = 0;
  };
  // Called for each, which is then left out.  Without it such an entry throws kUnsupported or
  // kTooLarge; file flags, which matter to who writes or dumps, give one warning for the archive.
  using OnLoss = std::function<void(const Loss& loss)>;
  void on_loss(OnLoss call);

  // Entries whose owner means nothing, by their path as it is in the archive: an id that does not
  // fit is 0 there.
  using HasNoOwner = std::function<bool(const std::string& path)>;
  void ignore_owners(HasNoOwner which);

  // Moves to the next entry, skipping data that was not read.  False at the end of the archive:
  // its end mark, or the end of the source between two entries.  What lies behind the end mark is
  // not read to its end, so who checks a digest of the source reads the rest; what is seen of it
  // gives a warning.  A source of zeros alone is an archive when it has 1024 to 10,240 of them.
  //
  // Data of a hard link entry (pax option linkdata) is skipped: it repeats the target's.
  //
  // Throws kCorrupt ("not a tar archive", truncated, bad fields), kUnsupported and kTooLarge for
  // what cannot be represented (the message names the entry and its place), what the source throws.
  bool next(Entry& entry);

  // The next run of data of the current entry; false after the last one.  Throws kCorrupt when the
  // archive ends inside the data.
  bool read_block(DataBlock& block);

  // Where the current entry's data begins in the source, when it is a regular file stored in one
  // piece.  Unit: bytes.
  std::optional<std::uint64_t> data_offset() const;

  // After next() returned false: the archive ended with its end mark (two blocks of zeros, or one
  // and the end of the source), not just with the source.  Where no digest protects the source, one
  // without the mark may be cut short.
  bool has_end_mark() const;

  // What was odd and has been tolerated, one sentence each; at most kMaxWarnings are kept.
  const std::vector<std::string>& warnings() const;
  static constexpr std::size_t kMaxWarnings = 100;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ondemand::tar
