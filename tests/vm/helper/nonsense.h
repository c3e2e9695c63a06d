// SPDX-License-Identifier: Apache-2.0
//
// One control device in hostile hands.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "answerer.h"
#include "cache_tree.h"
#include "mutator.h"
#include "util/fd.h"

namespace ondemand::vmtest {

// What was tried, and how the kernel took it: how often by errno (0: taken).
struct NonsenseCounts {
  std::map<int, std::uint64_t> commands;
  std::map<int, std::uint64_t> ioctls;
  std::map<int, std::uint64_t> transfers;  // reads and writes of odd lengths, offsets, addresses
  std::uint64_t messages = 0;
};

// A descriptor of the device and those that came with OPEN messages.  What it writes into an object
// is always what belongs there, so a reader that gets data gets the right data.
// Thread: none but write_command(), which needs a Mutator and counts of the thread's own.
class HostileDevice {
 public:
  HostileDevice(Protocol protocol, const CacheTree& tree, Mutator& mutator, NonsenseCounts& counts);
  HostileDevice(const HostileDevice&) = delete;
  HostileDevice& operator=(const HostileDevice&) = delete;
  ~HostileDevice() { close(); }

  // 0 or an errno.
  int say(std::string_view command) const;
  void write_command(Mutator& mutator, NonsenseCounts& counts) const;
  // One piece of nonsense.
  void try_something();
  // Takes a message if there is one within `milliseconds`; answers it as a daemon should, or, with
  // `is_sound` false, perhaps not.
  void serve(int milliseconds, bool is_sound);
  // Binds the cache as it should be done, now and then with the messages of the first proposal.
  void bind(const std::filesystem::path& root);
  void close();

 private:
  void try_ioctl(int fd);
  void try_transfer();
  void try_object();
  void answer(util::Bytes message, bool is_sound);
  void answer_demand(util::Bytes message, bool is_sound);
  void answer_ondemand(util::Bytes message, bool is_sound);
  util::Bytes piece(util::ByteRange range) const;
  int some_object();
  bool is_well_meant(bool is_sound) { return is_sound || !mutator_.one_in(4); }

  Protocol protocol_;
  Mutator& mutator_;
  NonsenseCounts& counts_;
  std::filesystem::path file_;  // demand: the only one in the cache
  bool is_compat_ = false;
  bool is_bound_ = false;
  std::vector<std::uint8_t> image_;
  util::Fd device_;
  std::map<std::uint32_t, util::Fd> objects_;  // by object id
};

}  // namespace ondemand::vmtest
