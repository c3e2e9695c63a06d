// SPDX-License-Identifier: Apache-2.0
//
// The numbered behaviours of a kernel with CacheFiles, towards a daemon and towards readers: the
// list of erofs-utils' tests/fscache (001 to 014), and that of the kernel series.  One list for
// the simulators and for kernels; the names of the tests begin with the numbers.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "behaviour/cachefiles/daemon.h"
#include "behaviour/cachefiles/system.h"
#include "behaviour/cachefiles/test_image.h"

namespace ondemand::behaviour {

// From the command line.
struct Setting {
  std::vector<Protocol> protocols{Protocol::kDemand, Protocol::kOndemand};
  std::vector<Release> releases{Release::k6_12};  // with the series both behave alike
  bool is_kernel = false;
  std::string directory;  // of the kernel's caches
};
Setting& setting();

struct Parameter {
  Protocol protocol;
  Release release;
};
std::vector<Parameter> parameters();
std::string name_of(const testing::TestParamInfo<Parameter>& info);

class Behaviour : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override;
  void TearDown() override;

  bool is_demand() const { return GetParam().protocol == Protocol::kDemand; }
  const Expected& expected() const { return behaviour::expected(GetParam().release); }
  static std::string volume_of(const MountOptions& options);

  // Sparse files for an image, where the daemon has to make them; the data, in every case.
  void prepare(const TestImage& image, const MountOptions& options);
  // Opens, binds, and gives the daemon `threads` threads.  0 or an errno.
  int begin_service(int threads = 1, const std::string& tag = "");
  // What the end of the daemon's process does.
  void end_service();
  int mount(const TestImage& image, const MountOptions& options = {"boot", ""});
  // plain_image() prepared, served and mounted, its directory read.
  void begin();

  Outcome read(const ImageFile& file, std::uint64_t offset = 0, std::uint64_t len = kFileBytes);
  Outcome read_all(const TestImage& image);
  std::unique_ptr<Reading> start(unsigned file, std::uint64_t len = 4096);
  bool waits();  // a message can be read within ten seconds
  bool is_quiet();

  std::filesystem::path root_;
  std::unique_ptr<System> system_;
  std::unique_ptr<cachefiles::Device> device_;
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<Mount> mount_;
  TestImage image_;
  std::vector<std::pair<MountOptions, TestImage>> prepared_;
};

// What one protocol does not have.  No skip: nothing is missing on this machine.
#define ONLY_DEMAND() \
  if (!is_demand()) return
#define ONLY_ONDEMAND() \
  if (is_demand()) return

}  // namespace ondemand::behaviour
