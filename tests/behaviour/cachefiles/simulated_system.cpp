// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <chrono>
#include <future>
#include <utility>

#include "behaviour/cachefiles/system.h"
#include "support/simulate/kernel.h"
#include "support/temporary_directory.h"

namespace ondemand::behaviour {

namespace {

Outcome outcome_of(int error) {
  if (error == 0) return Outcome::kGood;
  if (error == EIO) return Outcome::kIoError;
  return error == EINTR ? Outcome::kKilled : Outcome::kOtherError;
}

class SimulatedReading : public Reading {
 public:
  SimulatedReading(simulate::SimulatedKernel& kernel,
                   std::function<Outcome(simulate::Reader&)> read)
      : reader_(kernel), outcome_(std::async(std::launch::async, [this, read = std::move(read)] {
          return read(reader_);
        })) {}
  Outcome wait() override {
    if (outcome_.wait_for(std::chrono::minutes(1)) == std::future_status::ready)
      return outcome_.get();
    reader_.kill();
    return Outcome::kStuck;
  }
  void kill() override { reader_.kill(); }

 private:
  simulate::Reader reader_;
  std::future<Outcome> outcome_;
};

class SimulatedMount : public Mount {
 public:
  SimulatedMount(simulate::SimulatedKernel& kernel, const TestImage& image, std::string fsid,
                 std::unique_ptr<simulate::SimulatedMount> mount)
      : kernel_(kernel), image_(image), fsid_(std::move(fsid)), mount_(std::move(mount)) {}

  std::unique_ptr<Reading> start_read(const ImageFile& file, std::uint64_t offset,
                                      std::uint64_t len, bool in_pages) override {
    return std::make_unique<SimulatedReading>(
        kernel_, [this, file, offset, len, in_pages](simulate::Reader& reader) {
          return read(file, offset, len, in_pages, reader);
        });
  }

 private:
  Outcome read(const ImageFile& file, std::uint64_t offset, std::uint64_t len, bool in_pages,
               const simulate::Reader& reader) {
    // The directory first.
    const auto metadata = mount_->read(fsid_, 0, image_.bootstrap.size(), &reader);
    if (metadata.error != 0) return outcome_of(metadata.error);
    if (metadata.bytes != image_.bootstrap) return Outcome::kWrongData;
    if (file.blob < 0) return Outcome::kGood;
    constexpr std::uint64_t kPage = 4096;
    const std::uint64_t end = std::min(offset + len, file.size);
    while (offset < end) {
      const std::uint64_t piece = in_pages ? std::min(kPage, end - offset) : end - offset;
      const auto result = mount_->read(image_.keys[static_cast<std::size_t>(file.blob)],
                                       file.offset + offset, piece, &reader);
      if (result.error != 0) return outcome_of(result.error);
      if (result.bytes != file_content(file.number, offset, piece)) return Outcome::kWrongData;
      offset += piece;
    }
    return Outcome::kGood;
  }

  simulate::SimulatedKernel& kernel_;
  const TestImage image_;
  const std::string fsid_;
  std::unique_ptr<simulate::SimulatedMount> mount_;
};

class SimulatedSystem : public System {
 public:
  explicit SimulatedSystem(const simulate::Traits& traits) : kernel_(traits) {}

  Opened open(Protocol protocol) override {
    auto opened = kernel_.open(protocol == Protocol::kDemand ? simulate::Node::kDemand
                                                             : simulate::Node::kCachefiles);
    return {opened.error, std::move(opened.device)};
  }
  std::unique_ptr<cachefiles::Device> duplicate(const cachefiles::Device& device) override {
    return kernel_.duplicate(device);
  }
  int close_descriptor(int fd) override { return kernel_.close_descriptor(fd); }
  Mounted mount(const TestImage& image, const MountOptions& options) override {
    auto mounted = kernel_.mount({options.fsid, options.domain_id, image.keys});
    if (mounted.error != 0) return {mounted.error, nullptr};
    return {0, std::make_unique<SimulatedMount>(kernel_, image, options.fsid,
                                                std::move(mounted.mount))};
  }
  void forget_pages() override {}
  void settle() override { kernel_.settle(); }
  bool set_full(bool full) override {
    is_full_ = full;
    kernel_.set_free_percent(full ? 0 : 50);
    return true;
  }
  bool is_full() const override { return is_full_; }
  const std::filesystem::path& directory() const override { return directory_.path(); }

 private:
  test::TemporaryDirectory directory_;
  simulate::SimulatedKernel kernel_;
  std::atomic<bool> is_full_{false};
};

}  // namespace

std::unique_ptr<System> make_simulated_system(Release release) {
  simulate::Traits traits;
  traits.release = release == Release::k6_1 ? simulate::Release::k6_1 : simulate::Release::k6_12;
  return std::make_unique<SimulatedSystem>(traits);
}

std::ostream& operator<<(std::ostream& out, Outcome outcome) {
  static constexpr const char* kNames[] = {"good",        "wrong data", "i/o error",
                                           "other error", "killed",     "stuck"};
  return out << kNames[static_cast<std::size_t>(outcome)];
}

}  // namespace ondemand::behaviour
