// SPDX-License-Identifier: Apache-2.0
#include "transport/ondemand_transport.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "cache/backing_path.h"
#include "cache/extents.h"
#include "cachefiles/abi.h"
#include "cachefiles/commands.h"
#include "serve/fetch_plan.h"
#include "transport/aligned_pieces.h"
#include "util/align.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::transport {

using cachefiles::OndemandMessage;
using util::concat;
using util::Error;
using util::ErrorCode;

namespace abi = cachefiles::abi;

namespace {
// Of an OPEN; a READ has its offset.
constexpr std::uint64_t kOpenDetail = ~std::uint64_t{0};

constexpr std::string_view kUnknown = "no prepared image has this";
constexpr std::string_view kDeadly = "workers died over opening it";
}  // namespace

OndemandTransport::OndemandTransport(cachefiles::Device& device, WorkerNotes& notes,
                                     serve::Engine& engine, util::Log& log)
    : device_(device),
      worker_notes_(notes),
      engine_(engine),
      log_(log),
      notes_(log),
      // A command that no kernel knows does nothing; only a dead cache says EIO to it.
      readers_(
          device, log, [this](util::Bytes bytes) { handle(bytes); }, [this] { command("probe"); }) {
}

OndemandTransport::~OndemandTransport() {
  stop(std::chrono::milliseconds(0));
}

void OndemandTransport::watch(const BackingFile& file) {
  catalog_.add(file.digest.hex(), file);
}

void OndemandTransport::offer_local(const BackingFile& file) {
  catalog_.add(file.digest.hex(), file, true);
}

void OndemandTransport::start() {
  worker_notes_.given.begin_worker();
  // Linux before 6.8 does not know the command: there a worker that died cannot be followed by
  // another one, and nothing waits for the first.
  const int error = command(cachefiles::kRestoreCommand);
  if (error == EOPNOTSUPP || error == EINVAL) {
    log_.warning(
        "this kernel cannot give requests again: if a worker dies, reads that wait for it "
        "stay until they are killed");
  } else if (error != 0 && error != EIO) {
    throw util::errno_error("cachefiles device", "restore requests", error);
  }
  readers_.start(kReaders);
}

void OndemandTransport::stop(std::chrono::milliseconds grace) {
  engine_.stop(grace);
  readers_.stop();
}

std::size_t OndemandTransport::open_objects() const {
  const std::lock_guard lock(mutex_);
  return objects_.size();
}

int OndemandTransport::command(std::string_view text) {
  const int error = device_.command(text);
  if (error == EIO) readers_.note_dead();
  return error;
}

void OndemandTransport::handle(util::Bytes bytes) {
  try {
    handle_bytes(bytes);
  } catch (const std::exception&) {
    give_up(bytes, ENOMEM);
    throw;  // to be logged
  }
}

void OndemandTransport::handle_bytes(util::Bytes bytes) {
  OndemandMessage message;
  try {
    message = cachefiles::decode_ondemand_message(bytes);
    if (message.header.opcode == abi::kOpOpen && message.fd == device_.poll_fd())
      throw Error(ErrorCode::kCorrupt, "cachefiles message: OPEN: its descriptor is the device");
  } catch (const std::exception& error) {
    if (const auto fd = cachefiles::ondemand_descriptor(bytes); fd && *fd != device_.poll_fd())
      device_.close_object(*fd);
    give_up(bytes, dynamic_cast<const Error*>(&error) != nullptr ? EPROTO : ENOMEM);
    notes_.note_malformed(error.what());
    return;
  }
  switch (message.header.opcode) {
    case abi::kOpOpen:
      handle_open(message);
      break;
    case abi::kOpRead:
      handle_read(message);
      break;
    default:
      handle_close(message.header.object_id);
      break;
  }
}

// Whoever waits must not wait for ever, where it can be told who that is.  Needs no memory.
void OndemandTransport::give_up(util::Bytes bytes, int error) noexcept {
  const auto header = cachefiles::ondemand_header(bytes);
  if (header && header->opcode == abi::kOpOpen) {
    command(cachefiles::copen_failure_command(header->message_id, error));
    worker_notes_.answered.add();
  } else if (header && header->opcode == abi::kOpRead) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(header->object_id);
    if (found == objects_.end()) return;
    device_.complete_read(found->second.open->fd(), header->message_id);
    worker_notes_.answered.add();
  }
}

// Under the lock.
std::shared_ptr<ObjectTarget> OndemandTransport::target_of(const FileId& id,
                                                           const CatalogFile& file) {
  std::weak_ptr<ObjectTarget>& known = targets_[id];
  std::shared_ptr<ObjectTarget> target = known.lock();
  // One without a path was made when the object was not known; nothing was written through it.
  const bool has_no_path = target && !target->has_path() && !file.path.empty();
  if (!target || target->size() != file.size || has_no_path) {
    std::filesystem::path path;  // none of an object that is not known
    if (!file.path.empty()) {
      // <root>/cache is three above the prepared file; the kernel's one may be of another volume.
      path = file.path.parent_path().parent_path().parent_path() /
             cache::backing_path(id.first, id.second);
    }
    target = std::make_shared<ObjectTarget>(
        device_, util::printable(concat(id.first, "/", id.second)), file.size, std::move(path));
    known = target;
  }
  return target;
}

void OndemandTransport::handle_open(const OndemandMessage& message) {
  const std::uint32_t id = message.header.message_id;
  OpenObjectRef open;
  try {
    open = std::make_shared<OpenObject>(device_, message.fd);
  } catch (const std::exception&) {
    device_.close_object(message.fd);
    throw;
  }
  const bool is_deadly =
      worker_notes_.given.note_given({id, kOpenDetail}) > GivenRequests::kMaxWorkers;
  const Object object = object_of(message, open, is_deadly);
  if (!object.file) {
    refuse_open(message, is_deadly);
    return;
  }
  {
    // Before the answer: the first READ may be faster than the return of the write.
    const std::lock_guard lock(mutex_);
    objects_[message.header.object_id] = object;
  }
  object.target->attach(open);
  const int error = command(cachefiles::copen_command(id, object.file->size));
  worker_notes_.answered.add();
  worker_notes_.given.note_answered({id, kOpenDetail});
  if (error != 0) {
    forget(message.header.object_id, open);  // nobody waits any more
  } else if (!object.refusal.empty()) {
    notes_.log_refused_open(object.target->name(), object.refusal, true);
  }
}

// Without a file: it is to be refused.
OndemandTransport::Object OndemandTransport::object_of(const OndemandMessage& message,
                                                       OpenObjectRef open, bool is_deadly) {
  const FileId id{message.volume_key, message.cookie_key};
  CatalogFileRef file = is_deadly ? nullptr : catalog_.find(message.cookie_key);
  if (file) {
    const std::lock_guard lock(mutex_);
    auto target = target_of(id, *file);
    return {id, std::move(open), std::move(file), std::move(target), {}};
  }
  // Before the end of the first look-up there is no file behind the descriptor: ENOBUFS.
  const std::int64_t size = device_.seek_object(open->fd(), 0, SEEK_END);
  if (size <= 0) return {};
  auto in_use = std::make_shared<CatalogFile>();
  in_use->name = message.cookie_key;
  in_use->digest = hash::Digest::from_hex(message.cookie_key).value_or(hash::Digest{});
  in_use->size = static_cast<std::uint64_t>(size);
  const std::lock_guard lock(mutex_);
  auto target = target_of(id, *in_use);
  return {id, std::move(open), std::move(in_use), std::move(target),
          is_deadly ? kDeadly : kUnknown};
}

void OndemandTransport::refuse_open(const OndemandMessage& message, bool is_deadly) {
  const std::uint32_t id = message.header.message_id;
  const int error = command(cachefiles::copen_failure_command(id, is_deadly ? EIO : ENOENT));
  worker_notes_.answered.add();
  worker_notes_.given.note_answered({id, kOpenDetail});
  if (error != 0) return;
  notes_.log_refused_open(util::printable(concat(message.volume_key, "/", message.cookie_key)),
                          is_deadly ? kDeadly : kUnknown, false);
}

void OndemandTransport::forget(std::uint32_t object_id, const OpenObjectRef& open) {
  Object object;
  {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(object_id);
    if (found == objects_.end() || (open && found->second.open != open)) return;
    object = std::move(found->second);
    objects_.erase(found);
  }
  object.target->detach(object.open);
}

void OndemandTransport::handle_close(std::uint32_t object_id) {
  forget(object_id, nullptr);
  const std::lock_guard lock(mutex_);
  std::erase_if(targets_, [](const auto& entry) { return entry.second.expired(); });
}

// Its image may have been prepared anew since it was opened.  Under the lock.
void OndemandTransport::recognise(Object& object) {
  const CatalogFileRef file = catalog_.find(object.file->name);
  if (!file || file->size != object.target->size()) return;
  auto target = target_of(object.id, *file);
  target->attach(object.open);
  object.target = std::move(target);
  object.file = file;
  object.refusal = {};
}

void OndemandTransport::handle_read(const OndemandMessage& message) {
  notes_.requests.fetch_add(1);
  Pending pending{message.header.message_id, {}, message.range, engine_.deadline_from_now(), 1, {}};
  {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(message.header.object_id);
    if (found != objects_.end()) {
      if (found->second.refusal == kUnknown) recognise(found->second);
      pending.object = found->second;
    }
  }
  if (!pending.object.open) {
    // The object was closed at the same moment; the kernel has ended its reads itself.
    notes_.refused.fetch_add(1);
    return;
  }
  pending.object.file->requests.fetch_add(1);
  pending.range = serve::clamp_range(message.range, pending.object.target->size());
  try {
    if (pending.range.empty()) {
      pending.range = message.range;
      throw Error(ErrorCode::kCorrupt, concat("the range lies outside of its ",
                                              pending.object.target->size(), " bytes"));
    }
    const std::uint32_t workers =
        worker_notes_.given.note_given({pending.message_id, pending.range.offset});
    if (workers > GivenRequests::kMaxWorkers)
      throw Error(ErrorCode::kIo, concat(workers - 1, " workers died over it"));
    serve_range(pending);
  } catch (const std::exception& error) {
    refuse(pending, error.what());
  }
}

// Answers, or hands over to the engine, which answers later.  Throws only before either.
void OndemandTransport::serve_range(Pending pending) {
  pending.written_through = pending.object.target->object();
  if (pending.attempt == 1 && pending.object.target->missing(pending.range).empty()) {
    notes_.present.fetch_add(1);
    complete(pending);
    return;
  }
  if (!pending.object.refusal.empty())
    throw Error(ErrorCode::kNotFound, std::string(pending.object.refusal));
  if (pending.object.file->is_local) {
    copy_local(pending);
    return;
  }
  const serve::BlobRef blob = pending.object.file->blob();
  if (!blob) throw Error(ErrorCode::kUnsupported, "the blob has no usable chunk index");
  engine_.submit(
      blob, pending.object.target, pending.range, serve::Priority::kDemand,
      [this, pending](const std::optional<Error>& error) { finish(pending, error); },
      pending.deadline);
}

// A bootstrap: complete and verified since it was prepared.
void OndemandTransport::copy_local(const Pending& pending) {
  const CatalogFile& file = *pending.object.file;
  const util::Fd fd = util::open_file(file.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const std::uint64_t begin =
      util::round_down<std::uint64_t>(pending.range.offset, kDirectAlignment);
  const std::uint64_t end = util::round_up<std::uint64_t>(pending.range.end(), kDirectAlignment);
  util::Buffer bytes;
  for (const util::ByteRange& hole : pending.object.target->missing({begin, end - begin})) {
    for (std::uint64_t at = hole.offset; at < hole.end(); at += kPieceBytes) {
      const util::ByteRange piece{at, std::min<std::uint64_t>(kPieceBytes, hole.end() - at)};
      if (!cache::missing_ranges(fd.get(), piece, file.name).empty())
        throw Error(ErrorCode::kCorrupt, concat(file.name,
                                                ": read: it has lost data; run "
                                                "'blobctl prepare' again"));
      // Zeros behind its end: sizes are whole blocks, but they come from outside.
      bytes.assign(static_cast<std::size_t>(piece.len), 0);
      util::pread_some(fd.get(), bytes, piece.offset, file.name);
      pending.object.target->write(piece.offset, bytes);
    }
  }
  notes_.served.fetch_add(1);
  complete(pending);
}

void OndemandTransport::finish(const Pending& pending, const std::optional<Error>& error) noexcept {
  try {
    // The engine knows a blob but not its backing files: what we waited for may have gone to that
    // of another volume, or through a descriptor that was closed a moment ago.  The kernel has the
    // same word for a disk that is full, where another fetch would help nobody.
    const OpenObjectRef now = pending.object.target->object();
    bool is_again =
        error && error->errno_value() == ENOBUFS && now && now != pending.written_through;
    if (!error) is_again = !pending.object.target->missing(pending.range).empty();
    if (is_again && pending.attempt < kMaxAttempts) {
      Pending next = pending;
      ++next.attempt;
      serve_range(next);
      return;
    }
    if (error) throw Error(*error);
    if (is_again)
      throw Error(ErrorCode::kInternal, "answer: check: fetched, and yet not all is present");
  } catch (const std::exception& failure) {
    refuse(pending, failure.what());
    return;
  }
  notes_.served.fetch_add(1);
  complete(pending);
}

// The protocol has no word for it: the kernel finds the hole.
void OndemandTransport::refuse(const Pending& pending, std::string_view reason) noexcept {
  notes_.refused.fetch_add(1);
  pending.object.file->errors.fetch_add(1);
  complete(pending);
  notes_.log_refusal(pending.object.target->name(), pending.object.file->digest, pending.range,
                     reason);
}

// EINVAL: nobody waits any more, the reader was killed or the object is gone.
void OndemandTransport::complete(const Pending& pending) noexcept {
  const int error = device_.complete_read(pending.object.open->fd(), pending.message_id);
  worker_notes_.answered.add();
  if (error == 0 || error == EINVAL)
    worker_notes_.given.note_answered({pending.message_id, pending.range.offset});
  if (error == EIO) readers_.note_dead();
}

}  // namespace ondemand::transport
