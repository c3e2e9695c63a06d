// SPDX-License-Identifier: Apache-2.0
#include <system_error>
#include <vector>

#include "demandd/kernel_side.h"
#include "transport/fanotify_survival.h"
#include "transport/fanotify_transport.h"
#include "transport/guard_process.h"
#include "transport/in_use.h"
#include "util/error.h"

namespace ondemand::demandd {

namespace {

// What of a path exists: the cache root, or where it would be made.
std::filesystem::path nearest_directory(std::filesystem::path path) {
  std::error_code error;
  while (!std::filesystem::is_directory(path, error) && path.has_relative_path())
    path = path.parent_path();
  return path;
}

// Reads that nobody watched may have been given zeros.
void warn_of_unwatched_use(const std::filesystem::path& root, util::Log& log) {
  if (transport::guard_pid(root) != 0) return;
  std::vector<std::filesystem::path> used;
  try {
    used = transport::files_in_use(transport::incomplete_files(root));
  } catch (const util::Error& error) {
    log.warning("not known whether files with missing data were in use while no demandd ran",
                {{"reason", error.message()}});
    return;
  }
  if (used.empty()) return;
  log.warning(
      "files with missing data were in use while no demandd ran: what was read from them "
      "may be zeros; unmount and mount those images again",
      {{"files", used.size()}, {"first", used.front().native()}});
}

class FanotifySide : public KernelSide {
 public:
  explicit FanotifySide(const KernelSideWorld& world)
      : root_(world.root),
        log_(world.log),
        group_(transport::FanotifyGroup::open()),
        journal_(transport::FanotifyTransport::kReaders, world.max_waiting),
        survival_(world.root.path(), group_, journal_, world.log) {}

  std::string_view name() const override { return "fanotify"; }
  void begin() override {
    transport::check_pre_content_support(group_, root_.path().native());
    transport::make_guard_file(root_.path());
    warn_of_unwatched_use(root_.path(), log_);
  }
  transport::Survival& survival() override { return survival_; }
  std::unique_ptr<transport::Transport> make_transport(serve::Engine& engine) override {
    return std::make_unique<transport::FanotifyTransport>(group_, journal_, engine, log_);
  }
  bool needs_guards() const override { return true; }
  void relieve_guard() override { survival_.relieve_guard(); }

 private:
  const cache::CacheRoot& root_;
  util::Log& log_;
  const transport::FanotifyGroup group_;
  transport::Journal journal_;
  transport::FanotifySurvival survival_;
};

}  // namespace

std::unique_ptr<KernelSide> open_fanotify_side(const KernelSideWorld& world) {
  return std::make_unique<FanotifySide>(world);
}

std::string check_fanotify(const KernelSideWorld& world) {
  const transport::FanotifyGroup group = transport::FanotifyGroup::open();
  transport::check_pre_content_support(group, nearest_directory(world.root.path()).native());
  return "ready";
}

}  // namespace ondemand::demandd
