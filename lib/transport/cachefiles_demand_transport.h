// SPDX-License-Identifier: Apache-2.0
//
// /dev/cachefiles_demand: messages that name a range of a backing file by its path.
//
//   device.read --> is the path registered? --no--> fail
//                     |yes
//                   is it present? --yes--> done
//                     |no
//                   engine.submit --> is it present now? --> done, or fail and one log line
//
// No state has to survive: what is present is told by the file, and what was read from the device
// and not answered comes again after "restore".
// Source: kernel-patches, Documentation/filesystems/caching/cachefiles-demand.rst.
#pragma once

#include <map>

#include "cachefiles/commands.h"
#include "cachefiles/demand_message.h"
#include "cachefiles/device.h"
#include "serve/engine.h"
#include "transport/device_readers.h"
#include "transport/direct_target.h"
#include "transport/file_catalog.h"
#include "transport/request_notes.h"
#include "transport/transport.h"
#include "transport/worker_notes.h"

namespace ondemand::transport {

class CachefilesDemandTransport : public Transport {
 public:
  // Threads that read messages; each only looks up what is present, or hands over to the engine.
  static constexpr std::size_t kReaders = 4;

  // `cache_directory` is <root>/cache, where the paths of messages begin.  The device is bound.
  // Borrows all references.  Throws kIo.
  CachefilesDemandTransport(cachefiles::Device& device, std::filesystem::path cache_directory,
                            WorkerNotes& notes, serve::Engine& engine, util::Log& log);
  ~CachefilesDemandTransport() override;

  std::string_view name() const override { return "cachefiles-demand"; }
  // Throws kUsage for a file that is not below the cache directory.
  void watch(const BackingFile& file) override;
  void offer_local(const BackingFile& file) override;
  void start() override;
  void stop(std::chrono::milliseconds grace) override;
  TransportCounters counters() const override { return notes_.counters(); }
  std::vector<WatchedFileInfo> files() const override { return catalog_.infos(); }
  int dead_fd() const override { return readers_.dead_fd(); }

 private:
  // A request on its way; copied into the completion.
  struct Pending {
    std::uint64_t id = 0;
    CatalogFileRef file;
    std::shared_ptr<DirectTarget> target;
    util::ByteRange range;
    std::chrono::steady_clock::time_point deadline;  // of both tries
    bool is_second = false;
  };

  std::string key_of_path(const std::filesystem::path& path) const;
  void handle(util::Bytes bytes);
  void handle_bytes(util::Bytes bytes);
  void handle_message(const cachefiles::DemandMessage& message);
  void serve_range(const Pending& pending);
  void finish(const Pending& pending, const std::optional<util::Error>& error) noexcept;
  void refuse(std::uint64_t id, const CatalogFileRef& file, const std::string& name,
              util::ByteRange range, int error, std::string_view reason) noexcept;
  void answer(std::uint64_t id, const cachefiles::AnswerText& command) noexcept;
  void keep_damaged(const Pending& pending);
  std::shared_ptr<DirectTarget> target_of(const CatalogFileRef& file);

  cachefiles::Device& device_;
  const std::filesystem::path cache_directory_;
  WorkerNotes& worker_notes_;
  serve::Engine& engine_;
  util::Log& log_;
  RequestNotes notes_;
  FileCatalog catalog_{FileCatalog::FilesOf::kCache};
  std::mutex mutex_;
  // Guarded.  A file is open only while requests need it: one that somebody has open cannot be
  // mended.
  std::map<CatalogFileRef, std::weak_ptr<DirectTarget>> targets_;
  // Guarded.  Those who alone know what failed writes have left in the file.
  std::map<CatalogFileRef, std::shared_ptr<DirectTarget>> damaged_;
  DeviceReaders readers_;
};

}  // namespace ondemand::transport
