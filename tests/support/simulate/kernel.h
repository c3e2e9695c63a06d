// SPDX-License-Identifier: Apache-2.0
//
// A kernel with CacheFiles and with a reader that behaves as EROFS over fscache does, in this
// process: the control devices on one side, mounts on the other, and real directories and sparse
// files between them.  For tests of daemons on machines whose kernel has no such devices.
//
// As in the kernel: one opener; the cache ends with the last copy of its device; mounts outlive it
// and have errors from then on; look-up of blobs goes on behind a mount.  Not as in the kernel:
// there is no page cache, so each read asks again for what is a hole, and a read that fails is not
// tried a second time.
//
// Thread: everything may be used from many threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cachefiles/device.h"
#include "support/simulate/traits.h"
#include "util/bytes.h"

namespace ondemand::simulate {

struct Core;
struct KillFlag;
struct Volume;
class SimulatedKernel;

// A reader that can be killed while it waits.  Outlived by its kernel.
class Reader {
 public:
  explicit Reader(SimulatedKernel& kernel);
  void kill();  // its reads end with EINTR from now on

 private:
  friend class SimulatedKernel;
  friend class SimulatedMount;
  std::shared_ptr<Core> core_;
  std::shared_ptr<KillFlag> flag_;
};

struct ReadResult {
  int error = 0;
  util::Buffer bytes;  // fewer than asked for only at the end of the object
};

// mount -t erofs -o fsid=...[,domain_id=...][,device=...]...
struct MountSpec {
  std::string fsid;
  std::string domain_id;
  std::vector<std::string> devices;
};

// Destroying it unmounts.
class SimulatedMount {
 public:
  ~SimulatedMount();
  SimulatedMount(const SimulatedMount&) = delete;
  SimulatedMount& operator=(const SimulatedMount&) = delete;

  // A range of a cookie of this mount: the fsid or a device.  Waits for the daemon.
  ReadResult read(std::string_view cookie_key, std::uint64_t offset, std::uint64_t len,
                  const Reader* reader = nullptr);

 private:
  friend class SimulatedKernel;
  SimulatedMount(std::shared_ptr<Core> core, std::shared_ptr<Volume> volume,
                 std::vector<std::string> cookies);
  std::shared_ptr<Core> core_;
  std::shared_ptr<Volume> volume_;
  std::vector<std::string> cookies_;
};

enum class Node { kDemand, kCompat, kCachefiles };

class SimulatedKernel {
 public:
  explicit SimulatedKernel(const Traits& traits = {});
  // Devices are closed and mounts gone by then; descriptors of OPEN messages are closed.
  ~SimulatedKernel();
  SimulatedKernel(const SimulatedKernel&) = delete;
  SimulatedKernel& operator=(const SimulatedKernel&) = delete;

  struct Opened {
    int error = 0;  // EBUSY, ENOENT
    std::unique_ptr<cachefiles::Device> device;
  };
  Opened open(Node node);
  // Another descriptor of the same open device, as dup(2) or fork(2) make one.
  std::unique_ptr<cachefiles::Device> duplicate(const cachefiles::Device& device);

  struct Mounted {
    int error = 0;
    std::unique_ptr<SimulatedMount> mount;
  };
  Mounted mount(const MountSpec& spec, const Reader* reader = nullptr);

  // Closes a descriptor of an OPEN message, also when its device is closed already.
  int close_descriptor(int fd);
  // Descriptors of OPEN messages that are open.
  std::vector<int> descriptors() const;

  // Waits until the files of all that was unmounted are let go.  Daemons must answer meanwhile, or
  // be gone.
  void settle();

  // Free blocks and files of the cache's file system, which decide on ENOBUFS and culling when the
  // cache next looks.  Default: 50.
  void set_free_percent(unsigned percent);
  // The disk under the bound cache has an error: the cache dies.
  void fail_cache();

 private:
  friend class Reader;
  std::shared_ptr<Core> core_;
};

}  // namespace ondemand::simulate
