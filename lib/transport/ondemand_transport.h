// SPDX-License-Identifier: Apache-2.0
//
// /dev/cachefiles in on-demand mode (Linux 5.19 to 7.1): the kernel has the files, and gives a
// descriptor for each object that it opens.
//
//   OPEN   is the cookie key registered? --> copen with the size, or with -ENOENT; an object that
//          is in use already is opened in every case, for the kernel would ask again without end
//          while its readers wait: what it lacks is then refused
//   READ   engine.submit (a bootstrap: copy from the local file) --> CACHEFILES_IOC_READ_COMPLETE;
//          where nothing was written the kernel sees the hole, and that is EIO
//   CLOSE  the descriptor is closed when the last request that uses it has ended
//
// Objects are told apart by volume and cookie: an image mounted without the domain of the cache
// has backing files of its own, which are filled as well.
// No state has to survive: after "restore" the kernel opens anew what is in use.
// Source: doc/KERNEL.md 2.
#pragma once

#include <chrono>
#include <map>
#include <utility>

#include "cachefiles/device.h"
#include "cachefiles/ondemand_message.h"
#include "serve/engine.h"
#include "transport/device_readers.h"
#include "transport/file_catalog.h"
#include "transport/object_target.h"
#include "transport/request_notes.h"
#include "transport/transport.h"
#include "transport/worker_notes.h"

namespace ondemand::transport {

class OndemandTransport : public Transport {
 public:
  static constexpr std::size_t kReaders = 4;
  // How often a read is tried when the object changed under it.
  static constexpr int kMaxAttempts = 4;

  // The device is bound.  Borrows all; the device must outlive the engine, whose threads may hold
  // descriptors to the last.  Throws kIo.
  OndemandTransport(cachefiles::Device& device, WorkerNotes& notes, serve::Engine& engine,
                    util::Log& log);
  ~OndemandTransport() override;

  std::string_view name() const override { return "cachefiles"; }
  // The cookie key is the digest in hex.
  void watch(const BackingFile& file) override;
  void offer_local(const BackingFile& file) override;
  void start() override;
  void stop(std::chrono::milliseconds grace) override;
  TransportCounters counters() const override { return notes_.counters(); }
  std::vector<WatchedFileInfo> files() const override { return catalog_.infos(); }
  int dead_fd() const override { return readers_.dead_fd(); }

  std::size_t open_objects() const;

 private:
  using FileId = std::pair<std::string, std::string>;  // volume key, cookie key
  struct Object {
    FileId id;
    OpenObjectRef open;
    CatalogFileRef file;
    std::shared_ptr<ObjectTarget> target;
    // Why nothing of it is filled; empty: nothing is against it.
    std::string_view refusal;
  };
  // A READ on its way; copied into the completion.
  struct Pending {
    std::uint32_t message_id = 0;
    Object object;
    util::ByteRange range;
    std::chrono::steady_clock::time_point deadline;  // of all attempts
    int attempt = 1;
    OpenObjectRef written_through;  // what the target had when the attempt began
  };

  void handle(util::Bytes bytes);
  void handle_bytes(util::Bytes bytes);
  void give_up(util::Bytes bytes, int error) noexcept;
  void handle_open(const cachefiles::OndemandMessage& message);
  Object object_of(const cachefiles::OndemandMessage& message, OpenObjectRef open, bool is_deadly);
  void refuse_open(const cachefiles::OndemandMessage& message, bool is_deadly);
  void handle_read(const cachefiles::OndemandMessage& message);
  void handle_close(std::uint32_t object_id);
  void recognise(Object& object);
  std::shared_ptr<ObjectTarget> target_of(const FileId& id, const CatalogFile& file);
  void serve_range(Pending pending);
  void copy_local(const Pending& pending);
  void finish(const Pending& pending, const std::optional<util::Error>& error) noexcept;
  void refuse(const Pending& pending, std::string_view reason) noexcept;
  void complete(const Pending& pending) noexcept;
  int command(std::string_view text);
  void forget(std::uint32_t object_id, const OpenObjectRef& open);

  cachefiles::Device& device_;
  WorkerNotes& worker_notes_;
  serve::Engine& engine_;
  util::Log& log_;
  RequestNotes notes_;
  FileCatalog catalog_{FileCatalog::FilesOf::kKernel};
  mutable std::mutex mutex_;
  std::map<std::uint32_t, Object> objects_;                // guarded; by object id
  std::map<FileId, std::weak_ptr<ObjectTarget>> targets_;  // guarded
  DeviceReaders readers_;
};

}  // namespace ondemand::transport
