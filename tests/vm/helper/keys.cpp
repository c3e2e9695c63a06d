// SPDX-License-Identifier: Apache-2.0
#include "keys.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <string>

#include "cache/backing_path.h"
#include "cache_tree.h"
#include "erofs_mount.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::vmtest {

namespace {

using util::concat;

constexpr const char* kDomain = "keys";

[[noreturn]] void fail(const std::string& key, const std::string& why) {
  throw util::Error(util::ErrorCode::kCorrupt,
                    concat("key '", util::printable(key), "': look up: ", why));
}

// What the kernel takes as the name of a mount has no NUL, so that 'S' and 'T', which gain by zero
// bytes, are for keys of up to 4 bytes.  The longest of the others: 'D' as such, 'E' by what base64
// makes of them.
constexpr std::size_t kLongestPlain = cache::kMaxCookieKeyBytes;
constexpr std::size_t kLongestOther = (cache::kMaxNameBytes - 2) / 4 * 3;
constexpr std::size_t kLongestWords = 4;
// "erofs,<key>" is the volume's.
constexpr std::size_t kLongestVolume = cache::kMaxVolumeKeyBytes - 6;

class KeyMaker {
 public:
  // Short keys and long ones of any bytes, plain ones, and printable ones that are not plain.
  std::string make(std::size_t longest) {
    const unsigned shape = draw(0, 3);
    const std::size_t limit = shape == 0   ? kLongestWords
                              : shape == 2 ? kLongestPlain
                                           : kLongestOther;
    std::string key(length(std::min(limit, longest)), '\0');
    for (char& byte : key) {
      byte = static_cast<char>(shape >= 2 ? draw(33, 127) : draw(1, 255));
      if (shape == 2 && byte == '/') byte = '.';
    }
    return key;
  }

 private:
  unsigned draw(unsigned low, unsigned high) {
    return std::uniform_int_distribution<unsigned>(low, high)(random_);
  }
  // One in eight is as long as can be.
  std::size_t length(std::size_t limit) {
    return draw(0, 7) == 0 ? limit : draw(1, static_cast<unsigned>(limit));
  }
  std::mt19937 random_{20220118};
};

class Checker {
 public:
  Checker(Protocol protocol, std::filesystem::path directory)
      : protocol_(protocol), directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    const auto bytes = tiny_image();
    image_.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::ofstream(copy(), std::ios::binary) << image_;
    CacheTree(protocol, root(), "erofs,keys", "key");
    answerer_.emplace(Answerer::Options{
        .protocol = protocol, .root = root(), .copy_of = [this](const std::string&) {
          // demand: the name in the request is all that is wanted
          return protocol_ == Protocol::kDemand ? std::filesystem::path() : copy();
        }});
    answerer_->start(1);
  }

  void check(const std::string& key, const std::string& domain) {
    const CacheTree tree(protocol_, root(), concat("erofs,", domain.empty() ? key : domain), key);
    tree.make_good_volume();
    if (protocol_ == Protocol::kDemand)
      tree.make_file(kTinyImageBytes);
    else
      tree.fill_file(image_);
    tree.set_good_file_xattr(kTinyImageBytes);
    const int error = try_erofs(key, domain);
    const std::vector<Request> requests = answerer_->take_requests();
    if (protocol_ == Protocol::kDemand)
      check_demand(tree, key, requests);
    else
      check_ondemand(key, error, requests);
  }

 private:
  std::filesystem::path root() const { return directory_ / "root"; }
  std::filesystem::path copy() const { return directory_ / "copy"; }

  static void check_demand(const CacheTree& tree, const std::string& key,
                           const std::vector<Request>& requests) {
    if (requests.empty()) fail(key, concat("not found at ", util::printable(tree.relative_file())));
    if (requests.front().path != tree.relative_file())
      fail(key, concat(util::printable(tree.relative_file()), " is ",
                       util::printable(requests.front().path), " to the kernel"));
    std::filesystem::remove(tree.file());
  }

  static void check_ondemand(const std::string& key, int error,
                             const std::vector<Request>& requests) {
    if (error != 0) fail(key, concat("mount: ", errno_name(error)));
    if (requests.size() != 1 || requests.front().kind != Request::Kind::kOpen)
      fail(key, concat(requests.size(), " requests instead of one OPEN"));
    if (requests.front().path != key)
      fail(key, concat("OPEN for '", util::printable(requests.front().path), "'"));
  }

  Protocol protocol_;
  std::filesystem::path directory_;
  std::string image_;
  std::optional<Answerer> answerer_;
};

}  // namespace

void check_keys(Protocol protocol, const std::filesystem::path& directory, KeyCounts counts) {
  struct Kind {
    int count = 0;
    std::size_t longest = 0;  // bytes
  };
  Checker checker(protocol, directory);
  KeyMaker maker;
  std::map<char, Kind> kinds{{'D', {}}, {'E', {}}, {'S', {}}, {'T', {}}};
  const int wanted = counts.keys_of_each_kind * static_cast<int>(kinds.size());
  for (int number = 0; number < wanted;) {
    const std::string key = maker.make(cache::kMaxCookieKeyBytes);
    Kind& kind = kinds.at(cache::cook_key(key).front());
    if (kind.count == counts.keys_of_each_kind) continue;
    checker.check(key, kDomain);
    ++kind.count;
    ++number;
    kind.longest = std::max(kind.longest, key.size());
  }
  std::size_t longest_volume = 0;
  for (int made = 0; made < counts.volumes;) {
    const std::string key =
        made == 0 ? std::string(kLongestVolume, 'v') : maker.make(kLongestVolume);
    if (key.find('/') != std::string::npos) continue;
    checker.check(key, "");
    ++made;
    longest_volume = std::max(longest_volume, key.size());
  }
  std::printf("%d keys found, %d of each encoding and %d volumes; longest", wanted + counts.volumes,
              counts.keys_of_each_kind, counts.volumes);
  for (const auto& [letter, kind] : kinds)
    std::printf(" %c %zu,", letter, kind.longest);
  std::printf(" volume %zu\n", longest_volume);
}

}  // namespace ondemand::vmtest
