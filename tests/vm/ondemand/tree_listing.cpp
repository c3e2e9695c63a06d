// SPDX-License-Identifier: GPL-2.0-only
//
// Prints a directory tree so that two of them can be compared as text: one line for each entry,
// sorted, with all that lstat(2) tells that a file system image keeps, extended attributes and the
// SHA-256 of the content.  Uses nothing of the project, so that it is a witness of its own.
//
// usage: tree_listing DIRECTORY [THREADS [HOW]]
//
// HOW files are read: so many bytes at a time (default 65536), or "mmap" for a mapping.
//
// What cannot be read is told on standard error; exit status 1.
#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<int> failures = 0;
// Bytes of one read; 0 for a mapping.
std::size_t step = 65536;

void complain(const std::string& path, const char* what) {
  std::fprintf(stderr, "%s: %s: %s\n", path.c_str(), what, std::strerror(errno));
  ++failures;
}

// No byte of a name can look like the end of a field or line.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char buffer[8];
    if (byte > ' ' && byte < 127 && c != '\\') {
      out += c;
    } else {
      std::snprintf(buffer, sizeof buffer, "\\%02x", byte);
      out += buffer;
    }
  }
  return out;
}

void walk(const std::string& path, std::vector<std::string>& out) {
  out.push_back(path);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return;
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) {
    complain(path, "open directory");
    return;
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory))
    names.emplace_back(entry->d_name);
  if (errno != 0) complain(path, "read directory");
  ::closedir(directory);
  for (const std::string& name : names)
    if (name != "." && name != "..") walk(path + "/" + name, out);
}

std::string attributes(const std::string& path) {
  std::vector<char> names(65536), value(65536);
  const ssize_t len = ::llistxattr(path.c_str(), names.data(), names.size());
  if (len < 0) {
    if (errno != EOPNOTSUPP) complain(path, "list attributes");
    return "";
  }
  std::map<std::string, std::string> found;
  for (const char* name = names.data(); name < names.data() + len; name += std::strlen(name) + 1) {
    const ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    if (size < 0) complain(path, "read attribute");
    found[name] = std::string(value.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
  std::string out;
  for (const auto& [name, content] : found)
    out += " " + escaped(name) + "=" + escaped(content);
  return out;
}

// -1 and errno if not all of it can be read.
ssize_t digest_mapped(int fd, EVP_MD_CTX* context) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return -1;
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0) return 0;
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED) return -1;
  EVP_DigestUpdate(context, bytes, size);
  ::munmap(bytes, size);
  return 0;
}

ssize_t digest_in_steps(int fd, EVP_MD_CTX* context) {
  std::vector<char> buffer(step);
  ssize_t len = 0;
  while ((len = ::read(fd, buffer.data(), buffer.size())) > 0)
    EVP_DigestUpdate(context, buffer.data(), static_cast<std::size_t>(len));
  return len;
}

std::string digest(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    complain(path, "open");
    return "?";
  }
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
  const ssize_t len = step == 0 ? digest_mapped(fd, context) : digest_in_steps(fd, context);
  if (len < 0) complain(path, "read");
  ::close(fd);
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  EVP_DigestFinal_ex(context, bytes.data(), &size);
  EVP_MD_CTX_free(context);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%02x", bytes[i]);
    out += hex;
  }
  return len < 0 ? "?" : out;
}

std::string describe(const std::string& path, const std::string& shown) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    complain(path, "stat");
    return shown + " ?";
  }
  char line[256];
  const bool is_directory = S_ISDIR(info.st_mode);
  // What a directory's size is, is the file system's own affair.
  std::snprintf(line, sizeof line, " %06o %u:%u links=%lu size=%lld mtime=%lld.%09ld", info.st_mode,
                info.st_uid, info.st_gid, static_cast<unsigned long>(info.st_nlink),
                is_directory ? 0LL : static_cast<long long>(info.st_size),
                static_cast<long long>(info.st_mtim.tv_sec), info.st_mtim.tv_nsec);
  std::string out = shown + line;
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode))
    out += " device=" + std::to_string(major(info.st_rdev)) + ":" +
           std::to_string(minor(info.st_rdev));
  if (S_ISLNK(info.st_mode)) {
    std::array<char, 4096> target{};
    const ssize_t len = ::readlink(path.c_str(), target.data(), target.size());
    if (len < 0) complain(path, "read link");
    out += " -> " +
           escaped(std::string(target.data(), static_cast<std::size_t>(std::max<ssize_t>(len, 0))));
  }
  if (S_ISREG(info.st_mode)) out += " " + digest(path);
  return out + attributes(path);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string root = argv[1];
  const std::size_t threads = argc > 2 ? static_cast<std::size_t>(std::atoi(argv[2])) : 1;
  if (argc > 3)
    step = std::strcmp(argv[3], "mmap") == 0 ? 0 : static_cast<std::size_t>(std::atoi(argv[3]));
  std::vector<std::string> paths;
  walk(root, paths);
  std::vector<std::string> lines(paths.size());
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
    readers.emplace_back([&] {
      for (std::size_t at = next++; at < paths.size(); at = next++)
        lines[at] = describe(paths[at], "." + escaped(paths[at].substr(root.size())));
    });
  }
  for (std::thread& reader : readers)
    reader.join();
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines)
    std::puts(line.c_str());
  return failures > 0 ? 1 : 0;
}
