// SPDX-License-Identifier: Apache-2.0
#include "behaviour/cachefiles/behaviour_test.h"

#include <poll.h>

#include "cache/cache_mark.h"
#include "cache/cookie_file.h"

namespace ondemand::behaviour {

Setting& setting() {
  static Setting value;
  return value;
}

std::vector<Parameter> parameters() {
  std::vector<Parameter> all;
  for (const Protocol protocol : setting().protocols)
    for (const Release release : setting().releases)
      all.push_back({protocol, release});
  return all;
}

std::string name_of(const testing::TestParamInfo<Parameter>& info) {
  return std::string(info.param.protocol == Protocol::kDemand ? "demand" : "ondemand") +
         (info.param.release == Release::k6_1 ? "_6_1" : "_6_12");
}

void Behaviour::SetUp() {
  system_ = setting().is_kernel ? make_kernel_system(setting().directory)
                                : make_simulated_system(GetParam().release);
  static int counter = 0;
  root_ = system_->directory() / ("cache" + std::to_string(++counter));
  image_ = plain_image();
}

void Behaviour::TearDown() {
  mount_.reset();
  end_service();
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

std::string Behaviour::volume_of(const MountOptions& options) {
  return "erofs," + (options.domain_id.empty() ? options.fsid : options.domain_id);
}

void Behaviour::prepare(const TestImage& image, const MountOptions& options) {
  prepared_.emplace_back(options, image);
  if (!is_demand()) {
    std::filesystem::create_directories(root_);
    return;
  }
  const std::string volume = volume_of(options);
  cache::ensure_cookie_file(root_, {volume, options.fsid, image.bootstrap.size()});
  for (std::size_t i = 0; i < image.keys.size(); ++i)
    cache::ensure_cookie_file(root_, {volume, image.keys[i], image.blobs[i].size()});
  cache::ensure_mark(root_ / "cache", cache::CacheUse::kCachefilesDemand);
}

int Behaviour::begin_service(int threads, const std::string& tag) {
  auto opened = system_->open(GetParam().protocol);
  if (opened.error != 0) return opened.error;
  device_ = std::move(opened.device);
  int error = device_->command("dir " + root_.native());
  if (error == 0 && !tag.empty()) error = device_->command("tag " + tag);
  if (error == 0) error = device_->command(is_demand() ? "bind" : "bind ondemand");
  if (error != 0) return error;
  daemon_ = std::make_unique<Daemon>(GetParam().protocol, *system_, *device_, root_);
  for (const auto& [options, image] : prepared_) {
    daemon_->add(volume_of(options), options.fsid, image.bootstrap);
    for (std::size_t i = 0; i < image.keys.size(); ++i)
      daemon_->add(volume_of(options), image.keys[i], image.blobs[i]);
  }
  daemon_->start(threads);
  return 0;
}

void Behaviour::end_service() {
  if (daemon_) daemon_->stop();
  device_.reset();
  if (daemon_) daemon_->close_descriptors();
  daemon_.reset();
}

int Behaviour::mount(const TestImage& image, const MountOptions& options) {
  auto mounted = system_->mount(image, options);
  mount_ = std::move(mounted.mount);
  return mounted.error;
}

void Behaviour::begin() {
  prepare(image_, {"boot", ""});
  ASSERT_EQ(begin_service(), 0);
  ASSERT_EQ(mount(image_), 0);
  // The directory, so that readers ask for data alone; and with it the blob is looked up.
  ASSERT_EQ(read(image_.files[7], kFileBytes - 4096, 4096), Outcome::kGood);
}

Outcome Behaviour::read(const ImageFile& file, std::uint64_t offset, std::uint64_t len) {
  return mount_->start_read(file, offset, std::min(len, file.size - offset))->wait();
}

Outcome Behaviour::read_all(const TestImage& image) {
  for (const ImageFile& file : image.files)
    if (const Outcome outcome = read(file); outcome != Outcome::kGood) return outcome;
  return Outcome::kGood;
}

std::unique_ptr<Reading> Behaviour::start(unsigned file, std::uint64_t len) {
  return mount_->start_read(image_.files[file], 0, len);
}

bool Behaviour::waits() {
  pollfd wait{device_->poll_fd(), POLLIN, 0};
  return ::poll(&wait, 1, 10'000) == 1 && (wait.revents & POLLIN) != 0;
}

bool Behaviour::is_quiet() {
  pollfd look{device_->poll_fd(), POLLIN, 0};
  ::poll(&look, 1, 0);
  return (look.revents & POLLIN) == 0;
}

}  // namespace ondemand::behaviour
