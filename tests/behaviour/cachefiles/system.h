// SPDX-License-Identifier: Apache-2.0
//
// What the list of behaviours is run on: the simulated kernel or the running one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "behaviour/cachefiles/test_image.h"
#include "cachefiles/device.h"

namespace ondemand::behaviour {

enum class Protocol { kDemand, kOndemand };
enum class Release { k6_1, k6_12 };

// Where kernels with our series differ; everything else is the same on both and on the simulators.
// The simulators have their own table (support/simulate/traits.h): that the two agree is tested.
struct Expected {
  int failed_mount;    // errno of a mount whose bootstrap the cache does not give
  int repeated_mount;  // of an fsid whose volume is in use
};
inline constexpr Expected kExpected[] = {
    /* 6.1 */ {5 /* EIO */, 16 /* EBUSY */},
    /* 6.12 */ {5, 16},
};
constexpr const Expected& expected(Release release) {
  return kExpected[release == Release::k6_1 ? 0 : 1];
}

enum class Outcome { kGood, kWrongData, kIoError, kOtherError, kKilled, kStuck };
std::ostream& operator<<(std::ostream& out, Outcome outcome);

// A reader under way.
class Reading {
 public:
  virtual ~Reading() = default;
  virtual Outcome wait() = 0;  // kStuck after a minute
  virtual void kill() = 0;
};

// Destroying it unmounts.
class Mount {
 public:
  virtual ~Mount() = default;
  // Reads a part of a file and compares it.  `in_pages`: page by page, without readahead.
  virtual std::unique_ptr<Reading> start_read(const ImageFile& file, std::uint64_t offset,
                                              std::uint64_t len, bool in_pages = false) = 0;
};

struct MountOptions {
  std::string fsid;
  std::string domain_id;
};

class System {
 public:
  virtual ~System() = default;

  struct Opened {
    int error = 0;
    std::unique_ptr<cachefiles::Device> device;
  };
  // The node of the protocol, or the other one of the two.
  virtual Opened open(Protocol protocol) = 0;
  // Another descriptor of the same open device.
  virtual std::unique_ptr<cachefiles::Device> duplicate(const cachefiles::Device& device) = 0;
  // A descriptor of an OPEN message, whether its device is open or not.
  virtual int close_descriptor(int fd) = 0;

  struct Mounted {
    int error = 0;
    std::unique_ptr<Mount> mount;
  };
  virtual Mounted mount(const TestImage& image, const MountOptions& options) = 0;

  virtual void forget_pages() = 0;
  // Waits until what was unmounted is let go; the device is closed.
  virtual void settle() = 0;
  // Takes all room under the cache, or gives it back.  False: that cannot be done here.
  virtual bool set_full(bool full) = 0;
  virtual bool is_full() const = 0;
  virtual const std::filesystem::path& directory() const = 0;  // for caches
};

std::unique_ptr<System> make_simulated_system(Release release);
// `directory` is on a file system that can hold a cache.
std::unique_ptr<System> make_kernel_system(const std::filesystem::path& directory);
// What a reader's process of the kernel system does; the exit status.
int run_reader(const std::vector<std::string>& args);

}  // namespace ondemand::behaviour
