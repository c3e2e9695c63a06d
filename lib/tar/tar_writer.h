// SPDX-License-Identifier: Apache-2.0
//
// Writes a tar archive forward: ustar headers, with a pax extended header in front of an entry
// only where ustar has no room for what it is (long names, times with a fraction, before 1970 or
// after 2242, large numbers, xattrs, sparse files).  The same entries give the same bytes.
//
// A name in an extended header that is not UTF-8 has hdrcharset=BINARY in front of it; GNU tar
// takes it rightly and warns that it does not know the keyword.
//
// Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual,
// "Storing Sparse Files" (PAX format, version 1.0); SCHILY.xattr as GNU tar writes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tar/entry.h"
#include "util/bytes.h"
#include "util/stream.h"
#include "util/units.h"

namespace ondemand::tar {

class TarWriter {
 public:
  // Borrows the sink.  Thread: one user at a time.
  explicit TarWriter(util::ByteSink& out) : out_(out) {}

  // Begins an entry.  entry.path is what the archive says (a directory's ends in a slash).
  // Of a regular file, data() gives the bytes that `pieces` name: ascending, not overlapping, not
  // empty, inside entry.size.  One piece of the whole file makes an ordinary entry, anything else a
  // sparse one.  Throws kTooLarge for numbers that no tar reader takes.
  void begin(const Entry& entry, const std::vector<util::ByteRange>& pieces = {});
  // The next bytes of the pieces.  Throws kInternal when there are more than announced.
  void data(util::Bytes bytes);
  // Throws kInternal when bytes are missing.
  void end();
  // The end mark, and zeros up to a whole record of 10,240 bytes.
  void finish();

 private:
  struct Header;
  void write(util::Bytes bytes);
  void pad_block();
  static void fill_attributes(const Entry& entry, Header& header, std::string& records);
  void write_header(const Header& header);
  void write_extended(std::string_view records, std::string_view path);

  util::ByteSink& out_;
  std::uint64_t written_ = 0;  // bytes of the archive
  std::uint64_t left_ = 0;     // data of the current entry
};

// The decimal text of a time in a pax record: "1700000000", "-1.5".
std::string pax_time(util::Timestamp time);

}  // namespace ondemand::tar
