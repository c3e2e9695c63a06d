// SPDX-License-Identifier: Apache-2.0
//
// usage: cachefiles_behaviour_tests [--device NODE --cache DIRECTORY] [--gtest_...]
//
// Without --device on the simulated kernels, else on the running one: NODE is
// /dev/cachefiles_demand or /dev/cachefiles, DIRECTORY a place for caches on ext4, xfs or btrfs.
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "behaviour/cachefiles/behaviour_test.h"
#include "cachefiles/abi.h"

namespace {

using namespace ondemand::behaviour;  // this program's own words

Release running_release() {
  struct utsname names {};
  const bool is_6_1 = ::uname(&names) == 0 && std::string_view(names.release).starts_with("6.1.");
  return is_6_1 ? Release::k6_1 : Release::k6_12;
}

bool use_kernel(const std::string& device, const std::string& directory) {
  Setting& of = setting();
  if (device == ondemand::cachefiles::abi::kDemandDevice)
    of.protocols = {Protocol::kDemand};
  else if (device == ondemand::cachefiles::abi::kDevice)
    of.protocols = {Protocol::kOndemand};
  else
    return false;
  of.releases = {running_release()};
  of.is_kernel = true;
  of.directory = directory;
  return !directory.empty();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (!args.empty() && args[0] == "--reader") return run_reader({args.begin() + 1, args.end()});
  std::string device;
  std::string directory;
  for (std::size_t i = 0; i + 1 < args.size(); ++i) {
    if (args[i] == "--device") device = args[i + 1];
    if (args[i] == "--cache") directory = args[i + 1];
  }
  if (!device.empty() && !use_kernel(device, directory)) {
    std::cerr << "cachefiles_behaviour_tests: --device " << device
              << ": use: is no control device, or --cache is missing\n";
    return 2;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
