// SPDX-License-Identifier: Apache-2.0
#include "blobctl/doctor_report.h"

#include <array>
#include <ostream>
#include <string_view>

#include "blobctl/json_writer.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

using probe::Answer;
using probe::Presence;

// The options that decide, shown when the configuration is known.
constexpr std::array kOptions{
    "EROFS_FS",          "EROFS_FS_ONDEMAND", "EROFS_FS_BACKED_BY_FILE",
    "FSCACHE",           "CACHEFILES",        "CACHEFILES_ONDEMAND",
    "CACHEFILES_DEMAND", "FANOTIFY",          "FANOTIFY_ACCESS_PERMISSIONS",
};

const char* word(Answer answer) {
  if (answer == Answer::kUnknown) return "unknown";
  return answer == Answer::kYes ? "yes" : "no";
}

const char* word(Presence presence) {
  if (presence == Presence::kLoadable) return "loadable";
  return presence == Presence::kPresent ? "present" : "absent";
}

const char* word(bool flag) {
  return flag ? "yes" : "no";
}

const char* word(cache::CacheMark mark) {
  if (mark == cache::CacheMark::kForeign) return "foreign";
  return mark == cache::CacheMark::kDemand ? "demand" : "none";
}

void write_device(JsonWriter& json, const probe::DeviceFacts& device) {
  json.begin_object().member("node", device.node).member("exists", device.exists).key("holders");
  json.begin_array();
  for (const probe::Holder& holder : device.holders)
    json.begin_object()
        .member("pid", static_cast<std::int64_t>(holder.pid))
        .member("command", holder.command)
        .end_object();
  json.end_array().end_object();
}

void write_kernel(JsonWriter& json, const probe::KernelFacts& kernel) {
  json.begin_object()
      .member("release", kernel.release)
      .member("admin_right", kernel.is_root)
      .member("erofs", word(kernel.erofs))
      .member("erofs_over_fscache", word(kernel.has_fsid))
      .member("erofs_over_files", word(kernel.has_file_backed))
      .member("cachefiles", word(kernel.cachefiles))
      .member("fanotify_pre_content", kernel.fanotify_error.empty())
      .member("lockdown", kernel.lockdown.empty() ? "unknown" : kernel.lockdown)
      .member("secure_boot", word(kernel.secure_boot))
      .key("devices")
      .begin_array();
  write_device(json, kernel.demand);
  write_device(json, kernel.classic);
  json.end_array().member("config", kernel.config.source).key("options").begin_object();
  if (kernel.config.is_known())
    for (const char* option : kOptions)
      json.member(option, std::string(1, kernel.config.state(option)));
  json.end_object().end_object();
}

void write_files(JsonWriter& json, const probe::FileSystemFacts& files) {
  json.begin_object()
      .member("root", files.root.native())
      .member("exists", files.exists)
      .member("probed", files.probed.native())
      .member("error", files.error)
      .member("file_system", files.type)
      .member("read_only", files.is_read_only)
      .member("block_size", files.block_size)
      .member("bytes_free", files.bytes_free)
      .member("bytes_total", files.bytes_total)
      .member("user_xattr", files.has_user_xattr)
      .member("direct_io", files.has_direct_io)
      .member("holes", files.has_holes)
      .member("punch_hole", files.has_punch)
      .member("tmpfile", files.has_tmpfile)
      .member("pre_content", files.pre_content_error.empty() && files.error.empty())
      .member("mark", word(files.mark))
      .end_object();
}

void line(std::ostream& out, std::string_view what, std::string_view value) {
  constexpr std::size_t kColumn = 28;
  out << "  " << what << std::string(kColumn - std::min(what.size(), kColumn - 1), ' ') << value
      << '\n';
}

void print_device(std::ostream& out, const probe::DeviceFacts& device) {
  std::string text = device.exists ? "there" : "not there";
  for (const probe::Holder& holder : device.holders)
    text += util::concat(", held by ", holder.command, " (process ", holder.pid, ")");
  line(out, device.node, text);
}

void print_kernel(std::ostream& out, const probe::KernelFacts& kernel) {
  out << "kernel " << util::printable(kernel.release) << '\n';
  line(out, "EROFS", word(kernel.erofs));
  line(out, "EROFS over fscache", word(kernel.has_fsid));
  line(out, "EROFS over files", word(kernel.has_file_backed));
  line(out, "cachefiles", word(kernel.cachefiles));
  print_device(out, kernel.demand);
  print_device(out, kernel.classic);
  line(out, "fanotify pre-content", word(kernel.fanotify_error.empty()));
  line(out, "lockdown", kernel.lockdown.empty() ? "unknown" : kernel.lockdown);
  line(out, "Secure Boot", word(kernel.secure_boot));
  line(out, "configuration", kernel.config.is_known() ? kernel.config.source : "not found");
  if (!kernel.config.is_known()) return;
  for (const char* option : kOptions)
    line(out, util::concat("  CONFIG_", option), std::string(1, kernel.config.state(option)));
}

void print_files(std::ostream& out, const probe::FileSystemFacts& files) {
  out << "\ncache " << util::printable(files.root.native());
  if (!files.exists) out << ", not made yet; looked at " << util::printable(files.probed.native());
  out << '\n';
  if (!files.error.empty()) {
    line(out, "error", files.error);
    return;
  }
  line(out, "file system", files.type);
  line(out, "free",
       util::concat(util::human_bytes(files.bytes_free), " of ",
                    util::human_bytes(files.bytes_total)));
  line(out, "user extended attributes", word(files.has_user_xattr));
  line(out, "direct I/O", word(files.has_direct_io));
  line(out, "holes told from data", word(files.has_holes));
  line(out, "holes punched", word(files.has_punch));
  line(out, "unnamed files", word(files.has_tmpfile));
  line(out, "pre-content events", word(files.pre_content_error.empty()));
  line(out, "mark", word(files.mark));
}

}  // namespace

std::string to_json(const Diagnosis& diagnosis) {
  JsonWriter json;
  write_kernel(json.begin_object().key("kernel"), diagnosis.kernel);
  write_files(json.key("cache"), diagnosis.files);
  json.key("transports").begin_array();
  for (const probe::Verdict& verdict : diagnosis.verdicts) {
    json.begin_object()
        .member("name", verdict.transport)
        .member("ready", verdict.is_ready())
        .key("problems")
        .begin_array();
    for (const probe::Problem& problem : verdict.problems)
      json.begin_object()
          .member("what", problem.what)
          .member("remedy", problem.remedy)
          .end_object();
    json.end_array().key("notes").begin_array();
    for (const std::string& note : verdict.notes)
      json.value(note);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.text();
}

void print(const Diagnosis& diagnosis, std::ostream& out) {
  print_kernel(out, diagnosis.kernel);
  print_files(out, diagnosis.files);
  out << "\ntransports\n";
  for (const probe::Verdict& verdict : diagnosis.verdicts) {
    line(out, verdict.transport, verdict.is_ready() ? "ready" : "not ready");
    for (const probe::Problem& problem : verdict.problems)
      out << "    missing: " << problem.what << "\n    remedy:  " << problem.remedy << '\n';
    for (const std::string& note : verdict.notes)
      out << "    note:    " << note << '\n';
  }
}

}  // namespace ondemand::blobctl
