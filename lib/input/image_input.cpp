// SPDX-License-Identifier: Apache-2.0
#include "input/image_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>

#include "codec/decompress.h"
#include "input/layout_image.h"
#include "input/objects.h"
#include "input/peek_source.h"
#include "input/spool.h"
#include "oci/docker_archive.h"
#include "oci/json.h"
#include "oci/reference.h"
#include "tar/archive_index.h"
#include "tar/tar_reader.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::input {

namespace {

using util::concat;
using util::Error;
using util::ErrorCode;

// An opened file or pipe.
struct Opened {
  util::Fd fd;
  std::string name;
  bool seekable = false;   // a regular file from its beginning on
  std::uint64_t size = 0;  // Unit: bytes; of a seekable one
};

// The start of a file or stream that says what it is, when it is none of our forms.
void refuse_other_formats(util::Bytes head, const std::string& name) {
  const std::string_view text = util::as_text(head);
  // A tar may begin with a file called "[" or "{arch}".
  // Source: POSIX.1-2017 pax, "ustar Interchange Format", the magic.
  if (text.size() >= 262 && text.substr(257, 5) == "ustar") return;
  std::string_view kind;
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) kind = "a zip archive";
  if (text.starts_with("BZh")) kind = "compressed with bzip2";
  if (text.starts_with("{") || text.starts_with("[")) kind = "a JSON document";
  if (!kind.empty())
    throw Error(ErrorCode::kUnsupported, concat(name, ": read: is ", kind, ", not a tar archive"));
}

// A decompressing source that owns all that it is made of.
class OwnedDecompressor : public util::ByteSource {
 public:
  OwnedDecompressor(std::unique_ptr<util::ByteSource> inner, std::string name)
      : inner_(std::move(inner)), peek_(*inner_) {
    const util::Bytes head = peek_.peek();
    is_empty_ = head.empty();
    refuse_other_formats(head, name);
    compression_ = codec::detect_compression(head);
    plain_ = codec::make_decompressor(compression_, peek_, std::move(name));
  }
  std::size_t read(util::MutableBytes out) override { return plain_->read(out); }
  bool is_empty() const { return is_empty_; }

 private:
  std::unique_ptr<util::ByteSource> inner_;
  PeekSource peek_;
  codec::Compression compression_ = codec::Compression::kNone;
  bool is_empty_ = false;
  std::unique_ptr<util::ByteSource> plain_;
};

[[noreturn]] void throw_empty(const std::string& name) {
  throw Error(ErrorCode::kCorrupt, concat(name, ": read: is empty"));
}

ImageInput make_rootfs(const InputOptions& options, const std::string& name,
                       std::function<std::unique_ptr<util::ByteSource>()> open,
                       std::uint64_t stored_bytes) {
  const bool is_digest = hash::Digest::parse(options.ref).has_value();
  if (is_digest || (!options.ref.empty() && !options.ref_is_optional)) {
    throw Error(ErrorCode::kNotFound, concat(name, ": select: a root file system tar has no image ",
                                             is_digest ? "with the digest " : "named ", "'",
                                             util::printable(options.ref), "'"));
  }
  ImageInput out;
  out.form = Form::kRootfs;
  out.name = name;
  out.platform = options.platform ? *options.platform : oci::host_platform();
  out.stored_bytes = stored_bytes;
  Layer layer;
  layer.name = name;
  layer.expectation.needs_tar_end = true;
  layer.open_stored = std::move(open);
  out.layers.push_back(std::move(layer));
  return out;
}

void check_complete(const FormDetector& detector, const std::string& name) {
  if (!detector.is_incomplete_archive()) return;
  if (detector.is_old_docker_archive()) {
    throw Error(
        ErrorCode::kUnsupported,
        concat(name,
               ": read: has `repositories` but no manifest.json: archives of Docker before "
               "1.10 are not supported; `docker load` and `docker save` of a newer one make "
               "one that is"));
  }
  throw Error(ErrorCode::kCorrupt,
              concat(name,
                     ": read: is an image archive without oci-layout or manifest.json; it "
                     "may have been cut short"));
}

ImageInput open_archive(Form form, const std::shared_ptr<const util::Fd>& file,
                        const std::vector<tar::MemberLocation>& members, const std::string& name,
                        const InputOptions& options) {
  const auto objects = std::make_shared<const ArchiveObjects>(file, members, name);
  return form == Form::kOciArchive ? open_oci_image(objects, options)
                                   : open_docker_image(objects, options);
}

// Does manifest.json name members of its archive?  One that is there is enough: whoever reads the
// image tells which one is missing.
bool is_docker_archive(const std::shared_ptr<const util::Fd>& file,
                       const std::vector<tar::MemberLocation>& members, const std::string& name) {
  const ArchiveObjects objects(file, members, name);
  const auto manifest = objects.find("manifest.json");
  if (!manifest || manifest->range.len > oci::kMaxIndexBytes) return false;
  const std::string text = manifest->read(oci::kMaxIndexBytes, name);
  try {
    for (const oci::DockerImage& image : oci::parse_docker_manifest(text, name)) {
      if (objects.find(image.config)) return true;
      for (const std::string& layer : image.layers)
        if (objects.find(layer)) return true;
    }
    return false;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorrupt && error.code() != ErrorCode::kTooLarge) throw;
    return false;  // another program's file of that name
  }
}

// Uncompressed tar in a file: nothing is copied.
ImageInput open_file(const std::shared_ptr<const util::Fd>& file, std::uint64_t size,
                     const std::string& name, const InputOptions& options) {
  FormDetector detector;
  tar::visit_paths(file->get(), name,
                   [&detector](const std::string& path) { return detector.add(path); });
  Form form = detector.form();
  std::vector<tar::MemberLocation> members;
  if (form != Form::kRootfs || detector.may_be_docker_archive())
    members = tar::index_archive_file(file->get(), name);
  if (detector.may_be_docker_archive() && is_docker_archive(file, members, name))
    form = Form::kDockerArchive;
  if (form != Form::kRootfs) return open_archive(form, file, members, name, options);
  check_complete(detector, name);
  const StoredObject whole{file, {0, size}};
  ImageInput input = make_rootfs(
      options, name, [whole, name] { return whole.open(name); }, size);
  input.rootfs_file = file;
  return input;
}

// What can be read once only: kept while it may be an archive, handed on when it is none.  An
// archive is then read as a file.
ImageInput open_stream(std::unique_ptr<util::ByteSource> stream, const std::string& name,
                       const InputOptions& options) {
  auto spool = std::make_unique<Spool>(options.temporary);
  FormDetector detector;
  bool undecided = true;
  {
    TeeSource tee(*stream, *spool, options.max_bytes, name);
    tee.tell(options.kept_bytes);
    tar::TarReader reader(tee, name);
    // Names alone matter here; whoever reads the data decides about the rest.
    reader.on_loss([](const tar::TarReader::Loss&) {});
    tar::Entry entry;
    while (undecided && reader.next(entry))
      undecided = detector.add(entry.path);
    if (undecided) {
      // Behind the end mark there may still be a checksum of the compression.
      util::Buffer rest(64 * util::kKiB);
      while (tee.read(rest) > 0) {
      }
    }
  }
  check_complete(detector, name);
  if (detector.form() != Form::kRootfs || detector.may_be_docker_archive()) {
    const std::uint64_t size = spool->size();
    const auto file = std::make_shared<const util::Fd>(spool->take_file());
    return open_file(file, size, name, options);
  }
  auto source = std::make_shared<std::unique_ptr<util::ByteSource>>(
      std::make_unique<ReplaySource>(std::move(spool), std::move(stream)));
  const auto open_once = [source, name] {
    if (!*source)
      throw Error(ErrorCode::kUnsupported, concat(name, ": open: the stream was read already"));
    return std::move(*source);
  };
  ImageInput out = make_rootfs(options, name, open_once, 0);
  out.layers.front().can_reopen = false;
  return out;
}

ImageInput open_directory(const InputOptions& options, const std::string& name) {
  const auto objects = std::make_shared<const DirectoryObjects>(options.image, name);
  if (!objects->find("oci-layout")) {
    throw Error(ErrorCode::kUnsupported,
                concat(name, ": open: the directory is not an OCI image layout (no oci-layout)"));
  }
  return open_oci_image(objects, options);
}

Opened open_standard_input(const InputOptions& options) {
  Opened out;
  out.name = "standard input";
  out.fd = util::Fd(::fcntl(options.stdin_fd, F_DUPFD_CLOEXEC, 3));
  if (!out.fd) throw util::errno_error(out.name, "open", errno);
  return out;
}

void probe(Opened& opened) {
  struct stat status {};
  if (::fstat(opened.fd.get(), &status) != 0) throw util::errno_error(opened.name, "stat", errno);
  opened.seekable = S_ISREG(status.st_mode) && ::lseek(opened.fd.get(), 0, SEEK_CUR) == 0;
  if (opened.seekable) opened.size = static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

ImageInput open_image(const InputOptions& options) {
  Opened opened;
  if (options.image == "-") {
    opened = open_standard_input(options);
  } else {
    opened.name = util::printable(options.image);
    struct stat status {};
    if (::stat(options.image.c_str(), &status) != 0)
      throw util::errno_error(opened.name, "open", errno);
    if (S_ISDIR(status.st_mode)) return open_directory(options, opened.name);
    opened.fd = util::open_file(options.image, O_RDONLY);
  }
  probe(opened);
  if (opened.seekable) {
    std::array<std::uint8_t, PeekSource::kPeekBytes> head{};
    const std::size_t len = util::pread_some(opened.fd.get(), head, 0, opened.name);
    if (len == 0) throw_empty(opened.name);
    const util::Bytes start = util::Bytes(head).first(len);
    refuse_other_formats(start, opened.name);
    if (codec::detect_compression(start) == codec::Compression::kNone)
      return open_file(std::make_shared<const util::Fd>(std::move(opened.fd)), opened.size,
                       opened.name, options);
  }
  const std::string name = opened.name;
  auto raw = std::make_unique<util::FdSource>(std::move(opened.fd), name);
  auto stream = std::make_unique<OwnedDecompressor>(std::move(raw), name);
  if (stream->is_empty()) throw_empty(name);
  return open_stream(std::move(stream), name, options);
}

}  // namespace ondemand::input
