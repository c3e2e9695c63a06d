// SPDX-License-Identifier: Apache-2.0
#include "transport/cachefiles_demand_transport.h"

#include <cerrno>
#include <utility>

#include "cachefiles/abi.h"
#include "cachefiles/commands.h"
#include "serve/fetch_plan.h"
#include "util/text.h"

namespace ondemand::transport {

using util::concat;
using util::Error;
using util::ErrorCode;

namespace abi = cachefiles::abi;

CachefilesDemandTransport::CachefilesDemandTransport(cachefiles::Device& device,
                                                     std::filesystem::path cache_directory,
                                                     WorkerNotes& notes, serve::Engine& engine,
                                                     util::Log& log)
    : device_(device),
      cache_directory_(std::move(cache_directory)),
      worker_notes_(notes),
      engine_(engine),
      log_(log),
      notes_(log),
      readers_(device, log, [this](util::Bytes bytes) { handle(bytes); }) {}

CachefilesDemandTransport::~CachefilesDemandTransport() {
  stop(std::chrono::milliseconds(0));
}

std::string CachefilesDemandTransport::key_of_path(const std::filesystem::path& path) const {
  const std::filesystem::path relative = path.lexically_relative(cache_directory_);
  if (relative.empty() || *relative.begin() == "..") {
    throw Error(ErrorCode::kUsage, concat(util::printable(path.native()), ": watch: not below ",
                                          util::printable(cache_directory_.native())));
  }
  return relative.native();
}

void CachefilesDemandTransport::watch(const BackingFile& file) {
  catalog_.add(key_of_path(file.path), file);
}

void CachefilesDemandTransport::offer_local(const BackingFile& file) {
  catalog_.add(key_of_path(file.path), file, true);
}

void CachefilesDemandTransport::start() {
  worker_notes_.given.begin_worker();
  // What a predecessor read and did not answer comes again.
  const int error = device_.command(cachefiles::kRestoreCommand);
  if (error == EIO)
    readers_.note_dead();
  else if (error != 0)
    throw util::errno_error("cachefiles device", "restore requests", error);
  readers_.start(kReaders);
}

// The engine stops first: while its last fetches finish, readers of what is present are served
// and the rest is refused.
void CachefilesDemandTransport::stop(std::chrono::milliseconds grace) {
  engine_.stop(grace);
  readers_.stop();
}

// Whoever waits must not wait for ever, whatever goes wrong; without memory it is told without.
void CachefilesDemandTransport::handle(util::Bytes bytes) {
  notes_.requests.fetch_add(1);
  try {
    handle_bytes(bytes);
  } catch (const std::exception&) {
    notes_.refused.fetch_add(1);
    if (const auto id = cachefiles::demand_message_id(bytes))
      answer(*id, cachefiles::fail_command(*id, ENOMEM));
    throw;  // to be logged
  }
}

void CachefilesDemandTransport::handle_bytes(util::Bytes bytes) {
  cachefiles::DemandMessage message;
  try {
    message = cachefiles::decode_demand_message(bytes);
  } catch (const Error& error) {
    if (const auto id = cachefiles::demand_message_id(bytes)) {
      notes_.refused.fetch_add(1);
      answer(*id, cachefiles::fail_command(*id, EPROTO));
    }
    notes_.note_malformed(error.message());
    return;
  }
  handle_message(message);
}

void CachefilesDemandTransport::handle_message(const cachefiles::DemandMessage& message) {
  if (message.is_repeated) notes_.replayed.fetch_add(1);
  const std::string name = util::printable(message.path);
  CatalogFileRef file;
  try {
    if (message.op != abi::kDemandOpRead)
      throw Error(ErrorCode::kUnsupported,
                  concat("message: the operation ", message.op, " is not known to this demandd"));
    file = catalog_.find(message.path);
    if (!file) throw Error(ErrorCode::kNotFound, "no prepared image has this file");
    file->requests.fetch_add(1);
    const std::uint32_t workers = worker_notes_.given.note_given({message.id, 0});
    if (workers > GivenRequests::kMaxWorkers)
      throw Error(ErrorCode::kIo, concat(workers - 1, " workers died over it"));
    const util::ByteRange range = serve::clamp_range(message.range, file->size);
    if (range.empty())
      throw Error(ErrorCode::kCorrupt,
                  concat("the range lies outside of its ", file->size, " bytes"));
    serve_range({message.id, file, target_of(file), range, engine_.deadline_from_now()});
  } catch (const Error& error) {
    refuse(message.id, file, name, message.range, errno_of(error), error.message());
  } catch (const std::exception& error) {
    refuse(message.id, file, name, message.range, ENOMEM, error.what());
  }
}

// Answers, or hands over to the engine, which answers later.  Throws only before either.
void CachefilesDemandTransport::serve_range(const Pending& pending) {
  if (pending.target->missing(pending.range).empty()) {
    notes_.present.fetch_add(1);
    answer(pending.id, cachefiles::done_command(pending.id));
    return;
  }
  if (pending.file->is_local) {
    throw Error(ErrorCode::kCorrupt,
                "the bootstrap has lost data; unmount its images and run "
                "'blobctl prepare' again");
  }
  const serve::BlobRef blob = pending.file->blob();
  if (!blob) throw Error(ErrorCode::kUnsupported, "the blob has no usable chunk index");
  engine_.submit(
      blob, pending.target, pending.range, serve::Priority::kDemand,
      [this, pending](const std::optional<Error>& error) { finish(pending, error); },
      pending.deadline);
}

void CachefilesDemandTransport::finish(const Pending& pending,
                                       const std::optional<Error>& error) noexcept {
  try {
    keep_damaged(pending);
    if (error) throw Error(*error);
    // The engine's word is not enough: it knows a blob but not its files, and what we waited for
    // may have gone to one that was replaced meanwhile.
    if (!pending.target->missing(pending.range).empty()) {
      if (pending.is_second)
        throw Error(ErrorCode::kInternal, "answer: check: fetched, and yet not all is present");
      Pending second = pending;
      second.target = target_of(pending.file);
      second.is_second = true;
      serve_range(second);
      return;
    }
  } catch (const Error& failure) {
    refuse(pending.id, pending.file, pending.file->name, pending.range, errno_of(failure),
           failure.message());
    return;
  } catch (const std::exception& failure) {
    refuse(pending.id, pending.file, pending.file->name, pending.range, ENOMEM, failure.what());
    return;
  }
  notes_.served.fetch_add(1);
  answer(pending.id, cachefiles::done_command(pending.id));
}

void CachefilesDemandTransport::refuse(std::uint64_t id, const CatalogFileRef& file,
                                       const std::string& name, util::ByteRange range, int error,
                                       std::string_view reason) noexcept {
  notes_.refused.fetch_add(1);
  if (file) file->errors.fetch_add(1);
  answer(id, cachefiles::fail_command(id, error));
  notes_.log_refusal(file ? file->name : name, file ? file->digest : hash::Digest{}, range, reason);
}

// EINVAL: nobody waits any more, the reader was killed.
void CachefilesDemandTransport::answer(std::uint64_t id,
                                       const cachefiles::AnswerText& command) noexcept {
  const int error = device_.command(command);
  worker_notes_.answered.add();
  if (error == 0 || error == EINVAL) worker_notes_.given.note_answered({id, 0});
  if (error == EIO) {
    readers_.note_dead();
  } else if (error != 0 && error != EINVAL) {
    try {
      log_.error("kernel refused an answer",
                 {{"answer", std::string_view(command)}, {"errno", error}});
    } catch (const std::exception&) {
    }
  }
}

void CachefilesDemandTransport::keep_damaged(const Pending& pending) {
  // Asked under the lock: another request may have found it damaged, and kept it, since an answer
  // that was given before.
  const std::lock_guard lock(mutex_);
  if (pending.target->is_damaged()) {
    damaged_[pending.file] = pending.target;
    return;
  }
  const auto found = damaged_.find(pending.file);
  if (found != damaged_.end() && found->second == pending.target) damaged_.erase(found);
}

std::shared_ptr<DirectTarget> CachefilesDemandTransport::target_of(const CatalogFileRef& file) {
  const std::lock_guard lock(mutex_);
  const auto known = targets_.find(file);
  std::shared_ptr<DirectTarget> target = known == targets_.end() ? nullptr : known->second.lock();
  // The file may have been made anew under its name while nobody used it.
  if (target && target->is_at(file->path)) return target;
  target = std::make_shared<DirectTarget>(file->path, file->name, file->size);
  std::erase_if(targets_, [](const auto& entry) { return entry.second.expired(); });
  targets_[file] = target;
  damaged_.erase(file);  // of a file that is no more
  return target;
}

}  // namespace ondemand::transport
