// SPDX-License-Identifier: Apache-2.0
#include "hostile.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <thread>

#include "cache_tree.h"
#include "erofs_mount.h"
#include "nonsense.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::vmtest {

using util::concat;

namespace {

constexpr unsigned kRoundSeconds = 180;
constexpr int kUnbound = 80;
constexpr int kBound = 40;
constexpr int kMounted = 300;
constexpr int kMounts = 4;
constexpr auto kMendTime = std::chrono::seconds(60);
constexpr auto kPatience = std::chrono::seconds(2);
constexpr const char* kOptions = "fsid=image";

void on_alarm(int) {
  constexpr std::string_view kText = "vm_helper: hostile: a round does not end\n";
  if (::write(STDERR_FILENO, kText.data(), kText.size()) < 0) ::_exit(2);
  ::_exit(1);
}

enum class Outcome { kFailed, kRight };

Outcome mount_and_read(const std::filesystem::path& point) {
  if (mount_erofs(kOptions, point) != 0) return Outcome::kFailed;
  std::string data;
  bool is_read = true;
  try {
    data = util::read_text_file(point / "f", 8192);
  } catch (const util::Error&) {
    is_read = false;
  }
  unmount(point);
  if (!is_read) return Outcome::kFailed;
  if (data != std::string(4096, 'x'))
    throw util::Error(util::ErrorCode::kCorrupt, "image: read: wrong data");
  return Outcome::kRight;
}

// What `action` threw: it runs while other threads have to be joined.
template <typename Action>
std::exception_ptr error_of(const Action& action) {
  try {
    action();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

class Game {
 public:
  Game(Protocol protocol, std::filesystem::path directory, std::uint32_t seed)
      : protocol_(protocol),
        directory_(std::move(directory)),
        mutator_(seed, root().native(), tree().file().filename().native()),
        second_(seed + 1, root().native(), tree().file().filename().native()) {
    const auto bytes = tiny_image();
    std::filesystem::create_directories(point());
    std::ofstream(copy(), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  void play() {
    ::alarm(kRoundSeconds);
    prepare();
    be_hostile_without_a_cache();
    prepare();
    be_hostile_with_a_reader();
    prepare();
    check_that_it_works();
    ::alarm(0);
  }

  void print() const {
    print("commands", counts_.commands);
    print("commands of the second thread", second_counts_.commands);
    print("ioctls", counts_.ioctls);
    print("reads, writes, seeks", counts_.transfers);
    std::printf(
        "%llu messages; %d mounts gave the right data, %d an error; %d readers "
        "waited for the end\n",
        static_cast<unsigned long long>(counts_.messages), right_, failed_, given_up_);
  }

 private:
  std::filesystem::path root() const { return directory_ / "root"; }
  std::filesystem::path copy() const { return directory_ / "copy"; }
  std::filesystem::path point() const { return directory_ / "mnt"; }
  CacheTree tree() const { return {protocol_, root(), "erofs,image", "image"}; }

  void prepare() const {
    std::filesystem::current_path("/");
    std::filesystem::remove_all(root());
    const CacheTree tree = this->tree();
    if (protocol_ != Protocol::kDemand) return;
    tree.make_good_volume();
    tree.make_file(kTinyImageBytes);
    tree.set_good_file_xattr(kTinyImageBytes);
  }

  void be_hostile_without_a_cache() {
    HostileDevice device(protocol_, tree(), mutator_, counts_);
    for (int i = 0; i < kUnbound; ++i)
      device.try_something();
  }

  void be_hostile_with_a_reader() {
    HostileDevice device(protocol_, tree(), mutator_, counts_);
    device.bind(root());
    // "cull" and "inuse" look into the current directory.
    const std::filesystem::path fan = tree().file().parent_path();
    std::filesystem::current_path(std::filesystem::exists(fan) ? fan : root() / "cache");
    for (int i = 0; i < kBound; ++i)
      device.try_something();

    std::atomic<bool> is_read{false};
    std::exception_ptr reader_error;
    std::exception_ptr daemon_error;
    std::thread reader([&] {
      reader_error = error_of([&] {
        for (int i = 0; i < kMounts; ++i)
          ++(mount_and_read(point()) == Outcome::kRight ? right_ : failed_);
      });
      is_read = true;
    });
    std::thread second([&] {
      for (int i = 0; i < kMounted && !is_read; ++i)
        device.write_command(second_, second_counts_);
    });
    daemon_error = error_of([&] {
      for (int i = 0; i < kMounted && !is_read; ++i) {
        device.try_something();
        device.serve(0, false);
      }
    });
    second.join();
    if (!daemon_error && mutator_.one_in(2))
      daemon_error = error_of([&] { mend(device, is_read); });
    device.close();
    reader.join();
    for (const auto& error : {daemon_error, reader_error})
      if (error) std::rethrow_exception(error);
  }

  // A daemon that gets everything once more and answers it leaves nobody waiting.  Mainline's
  // protocol does not promise that much: there, the end of the device has to do.
  void mend(HostileDevice& device, const std::atomic<bool>& is_read) {
    const bool is_promised = protocol_ == Protocol::kDemand;
    const auto end = std::chrono::steady_clock::now() + (is_promised ? kMendTime : kPatience);
    while (!is_read) {
      device.say("restore");
      for (int i = 0; i < 10 && !is_read; ++i)
        device.serve(10, true);
      if (std::chrono::steady_clock::now() < end) continue;
      if (is_promised)
        throw util::Error(util::ErrorCode::kTimeout, "reader: wait: all was answered");
      ++given_up_;
      return;
    }
  }

  void check_that_it_works() const {
    Answerer answerer(
        {.protocol = protocol_, .root = root(), .copy_of = [this](const auto&) { return copy(); }});
    answerer.start(1);
    if (mount_and_read(point()) != Outcome::kRight)
      throw util::Error(util::ErrorCode::kIo, "image: read afterwards: it fails");
  }

  static void print(const char* what, const std::map<int, std::uint64_t>& counts) {
    std::uint64_t all = 0;
    std::string text;
    for (const auto& [error, count] : counts) {
      all += count;
      text += error == 0 ? concat(" ", count, " taken") : concat(" E", error, ":", count);
    }
    std::printf("%llu %s:%s\n", static_cast<unsigned long long>(all), what, text.c_str());
  }

  Protocol protocol_;
  std::filesystem::path directory_;
  Mutator mutator_;
  Mutator second_;
  NonsenseCounts counts_;
  NonsenseCounts second_counts_;
  int right_ = 0;
  int failed_ = 0;
  int given_up_ = 0;
};

}  // namespace

void be_hostile(Protocol protocol, const std::filesystem::path& directory, std::uint32_t seed,
                int rounds) {
  std::printf("seed %u, %d rounds\n", seed, rounds);
  std::fflush(stdout);
  std::signal(SIGALRM, on_alarm);
  Game game(protocol, directory, seed);
  for (int round = 0; round < rounds; ++round) {
    try {
      game.play();
    } catch (const util::Error& error) {
      throw error.with_context(concat("round ", round));
    }
  }
  std::filesystem::current_path("/");
  game.print();
}

}  // namespace ondemand::vmtest
