// SPDX-License-Identifier: Apache-2.0
#include "keys.h"

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

class KeyMaker {
 public:
  // Short keys of any bytes, long ones of any bytes, and printable ones.
  std::string make() {
    const unsigned shape = draw(0, 3);
    const std::size_t len = shape == 0 ? draw(1, 4) : draw(1, shape == 1 ? 100 : 189);
    std::string key(len, '\0');
    for (char& byte : key)
      byte = static_cast<char>(shape >= 2 ? draw(33, 126) : draw(1, 255));
    return key;
  }

 private:
  unsigned draw(unsigned low, unsigned high) {
    return std::uniform_int_distribution<unsigned>(low, high)(random_);
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
  Checker checker(protocol, directory);
  KeyMaker maker;
  std::map<char, int> kinds{{'D', 0}, {'E', 0}, {'S', 0}, {'T', 0}};
  int wanted = counts.keys_of_each_kind * static_cast<int>(kinds.size());
  int number = 0;
  while (wanted > 0) {
    const std::string key = maker.make();
    int& count = kinds.at(cache::cook_key(key).front());
    if (count == counts.keys_of_each_kind) continue;
    checker.check(key, kDomain);
    ++count;
    --wanted;
    ++number;
  }
  for (int made = 0; made < counts.volumes;) {
    const std::string key = maker.make();
    if (key.find('/') != std::string::npos) continue;
    checker.check(key, "");
    ++made;
    ++number;
  }
  std::printf("%d keys found, %d of each encoding and %d volumes\n", number,
              counts.keys_of_each_kind, counts.volumes);
}

}  // namespace ondemand::vmtest
