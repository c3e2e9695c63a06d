// SPDX-License-Identifier: Apache-2.0
//
// The headers of one entry put together: which of several sources a field is taken from.
#pragma once

#include <string>

#include "tar/block_input.h"
#include "tar/entry.h"
#include "tar/header.h"
#include "tar/pax.h"
#include "tar/tar_reader.h"

namespace ondemand::tar {

// Order of precedence: pax records, GNU long names, the header block.
struct RawEntry {
  Header header;
  PaxValues pax;
  std::string long_name;
  std::string long_link;
  bool has_long_name = false;
  bool has_long_link = false;
};

const std::string& path_of(const RawEntry& raw);

// `known` tells whether the type letter is one that we know; others are regular files.
EntryType type_of(const RawEntry& raw, bool& known);

// Old archives give hard links the size of their target without its data, POSIX allows data.  Looks
// ahead in `input`, which stands behind the header.
bool hardlink_has_data(const Header& header, std::uint64_t stored, BlockInput& input);

// The loss of an entry as a whole.  Moves the xattrs out of `raw`.
TarReader::Loss loss_of(RawEntry& raw, const std::string& reason);

// Ids that do not fit 32 bits become 0.
void clear_owner(RawEntry& raw);

// Fills everything but type, which is given, and size.  Moves the xattrs out of `raw`.  Throws
// kCorrupt, kUnsupported (UnfitEntry among them), kTooLarge; for ACLs and xattrs only when there is
// no `on_loss`.
void fill_entry(RawEntry& raw, Entry& entry, const TarReader::OnLoss& on_loss);

}  // namespace ondemand::tar
