// SPDX-License-Identifier: Apache-2.0
#include "demandd/kernel_side.h"

#include <ostream>
#include <vector>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::demandd {

using util::concat;
using util::Error;
using util::ErrorCode;

namespace {

struct Interface {
  std::string_view name;
  std::unique_ptr<KernelSide> (*open)(const KernelSideWorld&);
  std::string (*check)(const KernelSideWorld&);
};

// In the order in which they are tried.  Mainline's device comes last: the kernels that have it
// and fanotify as well have given it up in favour of that.
constexpr Interface kInterfaces[] = {
    {"cachefiles-demand", open_cachefiles_demand_side, check_cachefiles_demand},
    {"fanotify", open_fanotify_side, check_fanotify},
    {"cachefiles", open_cachefiles_side, check_cachefiles}};

std::vector<Interface> candidates(const std::string& transport) {
  std::vector<Interface> found;
  for (const Interface& interface : kInterfaces)
    if (transport == "auto" || transport == interface.name) found.push_back(interface);
  return found;
}

Error none_works(const std::string& reasons) {
  return Error(ErrorCode::kUnsupported,
               concat("kernel: choose an interface: none works here:", reasons));
}

}  // namespace

std::unique_ptr<KernelSide> choose_kernel_side(const std::string& transport,
                                               const KernelSideWorld& world,
                                               const std::function<void()>& prepare) {
  std::string reasons;
  bool is_prepared = false;
  for (const Interface& interface : candidates(transport)) {
    KernelSideWorld own = world;
    own.is_explicit = transport != "auto";
    std::unique_ptr<KernelSide> side;
    std::string reason;
    try {
      side = interface.open(own);
    } catch (const Error& error) {
      if (own.is_explicit) throw;
      reason = error.message();
    }
    if (side) {
      // What goes wrong here goes wrong with all of them.
      if (!is_prepared) prepare();
      is_prepared = true;
      try {
        side->begin();
        return side;
      } catch (const Error& error) {
        if (own.is_explicit) throw;
        reason = error.message();
      }
    }
    world.log.debug("kernel interface passed over", {{"name", interface.name}, {"reason", reason}});
    reasons += concat(reasons.empty() ? " " : "; ", interface.name, ": ", reason);
  }
  throw none_works(reasons);
}

void report_kernel_sides(const std::string& transport, const KernelSideWorld& world, cli::Io& io) {
  std::string reasons;
  std::string_view first;
  for (const Interface& interface : candidates(transport)) {
    try {
      KernelSideWorld own = world;
      own.is_explicit = transport != "auto";
      const std::string found = interface.check(own);
      io.out << interface.name << ": " << found << '\n';
      if (first.empty()) first = interface.name;
    } catch (const Error& error) {
      if (transport != "auto") throw;
      io.out << interface.name << ": no: " << error.message() << '\n';
      reasons += concat(reasons.empty() ? " " : "; ", interface.name, ": ", error.message());
    }
  }
  if (first.empty()) throw none_works(reasons);
  if (transport == "auto") io.out << "auto: " << first << '\n';
}

}  // namespace ondemand::demandd
