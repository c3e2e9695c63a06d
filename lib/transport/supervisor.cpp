// SPDX-License-Identifier: Apache-2.0
#include "transport/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>

#include "transport/process.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::transport {

namespace {

enum WorkerState { kStarting, kReady, kDone };

// How long a worker may take to drain before it is killed.
constexpr std::chrono::seconds kDrainLimit{45};
// A worker that dies sooner and answered nothing has failed by itself, not by an accident.
constexpr std::chrono::milliseconds kShortLife{2000};
constexpr std::chrono::seconds kLongestPause{30};

util::Fd make_event() {
  util::Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw util::errno_error("eventfd", "open", errno);
  return fd;
}

void raise(const util::Fd& event) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(event.get(), &one, sizeof one);
}

void lower(const util::Fd& event) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(event.get(), &count, sizeof count);
}

bool is_readable(const util::Fd& fd) {
  if (!fd) return true;  // no such process any more
  pollfd poll{fd.get(), POLLIN, 0};
  return ::poll(&poll, 1, 0) > 0;
}

}  // namespace

// What each of the three must know of the others, in shared memory.
struct Supervisor::Shared {
  std::atomic<int> chief_pid = 0;
  std::atomic<int> deputy_pid = 0;
  std::atomic<int> worker_pid = 0;
  std::atomic<int> worker_state = kStarting;
  std::atomic<int> worker_status = 0;
  std::atomic<bool> was_ever_ready = false;
  std::atomic<bool> is_stopping = false;
  std::atomic<bool> is_guarding = false;
};

Supervisor::Supervisor(Survival& survival, SupervisorHooks hooks, util::Log& log)
    : survival_(survival), hooks_(std::move(hooks)), log_(log) {
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw util::errno_error("supervisor", "allocate shared memory", errno);
  shared_ = new (memory) Shared{};
}

Supervisor::~Supervisor() {
  ::munmap(shared_, sizeof(Shared));
}

int Supervisor::run() {
  signals_ = block_signals();
  stop_event_ = make_event();
  note_event_ = make_event();
  guard_event_ = make_event();
  own_pidfd_ = open_pidfd(::getpid());
  base_fds_ = open_descriptors();
  shared_->chief_pid = ::getpid();
  start_worker();
  start_deputy();
  return be_chief();
}

void Supervisor::start_worker() {
  shared_->worker_state = kStarting;
  answered_at_start_ = survival_.answered();
  started_at_ = Clock::now();
  if (clone_sharing_files(shared_->worker_pid) == 0) be_worker();
  worker_pidfd_ = open_pidfd(shared_->worker_pid);
  is_worker_alive_ = true;
}

void Supervisor::start_deputy() {
  if (clone_sharing_files(shared_->deputy_pid) == 0) be_deputy();
  deputy_pidfd_ = open_pidfd(shared_->deputy_pid);
}

void Supervisor::be_worker() {
  int status = 1;
  try {
    status = hooks_.run_worker(stop_event_.get(), [this] {
      shared_->worker_state = kReady;
      shared_->was_ever_ready = true;
      raise(note_event_);
    });
  } catch (const std::exception& error) {
    log_.error(error.what());
  }
  shared_->worker_status = status;
  shared_->worker_state = kDone;
  ::_exit(status);
}

// Opens no descriptor: the chief closes what it does not know.
void Supervisor::be_deputy() {
  for (;;) {
    pollfd polls[2] = {{own_pidfd_.get(), POLLIN, 0}, {guard_event_.get(), POLLIN, 0}};
    if (::poll(polls, 2, -1) < 0) continue;
    if ((polls[1].revents & POLLIN) != 0) be_guard();
    if ((polls[0].revents & POLLIN) != 0) break;
  }
  int status = 1;
  try {
    take_over();
    status = be_chief();
  } catch (const std::exception& error) {
    log_.error(error.what());
  }
  ::_exit(status);
}

// The chief was killed: this process is the chief from now on.
void Supervisor::take_over() {
  log_.warning("main process died, its deputy takes over", {{"pid", ::getpid()}});
  shared_->chief_pid = ::getpid();
  hooks_.on_take_over();
  // release(): the old numbers may belong to nobody or to somebody else by now.
  own_pidfd_.release();
  worker_pidfd_.release();
  deputy_pidfd_.release();
  own_pidfd_ = open_pidfd(::getpid());
  worker_pidfd_ = open_pidfd(shared_->worker_pid);
  is_worker_alive_ = worker_pidfd_.is_open();
  started_at_ = Clock::now();
  answered_at_start_ = survival_.answered();
  is_ready_told_ = shared_->was_ever_ready;
  if (shared_->is_stopping) kill_at_ = Clock::now() + kDrainLimit;
  start_deputy();
  if (!is_worker_alive_) worker_died();
}

void Supervisor::be_guard() {
  ::unshare(CLONE_FILES);  // the chief's end must not touch ours, nor ours the chief's
  try {
    survival_.prepare_guard();
    // Here, since the chief may be killed before it comes to that.
    hooks_.on_becoming_guard();
    shared_->is_guarding = true;
    raise(note_event_);
    ::setsid();
    [[maybe_unused]] const int ignored = ::chdir("/");
    // Whoever reads our standard output must see its end when demandd ends.  A log file or the
    // socket of the journal stays.
    const util::Fd null = util::open_file("/dev/null", O_RDWR);
    struct stat status {};
    const bool is_log = ::fstat(STDERR_FILENO, &status) == 0 &&
                        (S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode));
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      if (fd != STDERR_FILENO || !is_log) ::dup2(null.get(), fd);
    survival_.run_guard();
  } catch (const std::exception& error) {
    log_.error(error.what());
    ::_exit(1);
  }
  ::_exit(0);
}

int Supervisor::be_chief() {
  while (step_chief()) {
  }
  return end();
}

// Waits for one thing to happen.  False when demandd is to end and no worker is left.
bool Supervisor::step_chief() {
  if (!is_worker_alive_) {
    if (shared_->is_stopping) return false;
    if (Clock::now() >= restart_at_) {
      start_worker();
    } else {
      survival_.stand_in(20);
    }
  }
  pollfd polls[4] = {{signals_.get(), POLLIN, 0},
                     {note_event_.get(), POLLIN, 0},
                     {deputy_pidfd_.get(), POLLIN, 0},
                     {is_worker_alive_ ? worker_pidfd_.get() : -1, POLLIN, 0}};
  ::poll(polls, 4, is_worker_alive_ ? 1000 : 0);
  if (const int signal = take_signal(signals_.get()); signal != 0 && signal != SIGHUP) {
    if (shared_->is_stopping) kill_at_ = Clock::now();  // asked twice: no more patience
    ask_to_stop();
  }
  lower(note_event_);
  if (shared_->was_ever_ready && !is_ready_told_) {
    is_ready_told_ = true;
    hooks_.on_ready();
  }
  if (is_readable(deputy_pidfd_)) {
    ::waitpid(shared_->deputy_pid, nullptr, WNOHANG);
    start_deputy();
  }
  if (!is_worker_alive_) return true;
  if (is_readable(worker_pidfd_)) {
    worker_died();
  } else if (shared_->is_stopping && Clock::now() >= kill_at_) {
    log_.warning("worker does not end, killing it");
    ::kill(shared_->worker_pid, SIGKILL);
    kill_at_ = Clock::now() + std::chrono::seconds(5);
  }
  if (!is_worker_alive_ && survival_.is_dead()) return false;
  // The first worker says by itself why it cannot begin; nobody depends on it yet.
  return !(!is_worker_alive_ && !shared_->was_ever_ready && shared_->worker_state == kDone);
}

void Supervisor::ask_to_stop() {
  if (shared_->is_stopping.exchange(true)) return;
  kill_at_ = Clock::now() + kDrainLimit;
  raise(stop_event_);
  hooks_.on_stopping();
}

void Supervisor::worker_died() {
  int status = 0;
  const bool is_ours = ::waitpid(shared_->worker_pid, &status, WNOHANG) > 0;
  const bool was_ready = shared_->worker_state != kStarting;
  is_worker_alive_ = false;
  worker_pidfd_.reset();
  close_leaked();
  if (shared_->is_stopping || survival_.is_dead()) return;
  if (shared_->worker_state == kDone && !shared_->was_ever_ready) return;
  const std::string cause = !is_ours              ? "unknown"
                            : WIFSIGNALED(status) ? util::concat("signal ", WTERMSIG(status))
                                                  : util::concat("exit ", WEXITSTATUS(status));
  log_.error("worker died, starting another", {{"pid", shared_->worker_pid.load()},
                                               {"cause", cause},
                                               {"waiting", survival_.descriptors().size()}});
  note_death(was_ready, !is_ours || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

// Decides when the next worker starts.  One that dies again and again is given longer and longer
// pauses, in which the chief itself refuses what is missing.
void Supervisor::note_death(bool was_ready, bool was_killed) {
  const bool got_on = survival_.answered() > answered_at_start_;
  const bool lived_long = Clock::now() - started_at_ > kShortLife;
  // One that was ready and then killed did not fail by itself.
  failures_ = got_on || (was_ready && (lived_long || was_killed)) ? 0 : failures_ + 1;
  restart_at_ = Clock::now();
  constexpr int kPatience = 5;
  if (failures_ < kPatience) return;
  const auto pause = std::min<std::chrono::seconds>(
      std::chrono::seconds(1 << std::min(failures_ - kPatience, 5)), kLongestPause);
  restart_at_ += pause;
  log_.error("workers die at once, reads of missing data are refused meanwhile",
             {{"deaths", failures_}, {"pause_seconds", pause.count()}});
  survival_.refuse_outstanding();
}

void Supervisor::close_leaked() {
  std::vector<int> keep = base_fds_;
  for (const util::Fd* fd : {&signals_, &stop_event_, &note_event_, &guard_event_, &own_pidfd_,
                             &worker_pidfd_, &deputy_pidfd_})
    if (fd->is_open()) keep.push_back(fd->get());
  for (const int fd : survival_.descriptors())
    keep.push_back(fd);
  close_all_except(std::move(keep));
}

int Supervisor::end() {
  const bool is_failed_start = !shared_->was_ever_ready && shared_->worker_state == kDone;
  survival_.refuse_outstanding();
  if (is_failed_start && !shared_->is_stopping) {
    end_deputy();
    return shared_->worker_status == 0 ? 1 : shared_->worker_status.load();
  }
  const bool is_dead = survival_.is_dead();
  if (is_dead || !survival_.needs_guard()) {
    end_deputy();
    return is_dead ? 1 : 0;
  }
  // Two attempts: a deputy that was killed just now is made anew.
  if (!leave_guard() && !leave_guard()) {
    log_.error("no guard could be left behind, guarding in the main process");
    survival_.run_guard();
    end_deputy();
    return 1;
  }
  hooks_.on_guarded(shared_->deputy_pid);
  return 0;
}

bool Supervisor::leave_guard() {
  if (is_readable(deputy_pidfd_)) start_deputy();
  raise(guard_event_);
  while (!shared_->is_guarding) {
    pollfd polls[2] = {{note_event_.get(), POLLIN, 0}, {deputy_pidfd_.get(), POLLIN, 0}};
    ::poll(polls, 2, 1000);
    lower(note_event_);
    if (!shared_->is_guarding && is_readable(deputy_pidfd_)) {
      lower(guard_event_);
      return false;
    }
  }
  return true;
}

void Supervisor::end_deputy() {
  const int pid = shared_->deputy_pid;
  if (pid <= 0 || is_readable(deputy_pidfd_)) return;
  ::kill(pid, SIGKILL);
  pollfd poll{deputy_pidfd_.get(), POLLIN, 0};
  ::poll(&poll, 1, 5000);
  ::waitpid(pid, nullptr, WNOHANG);
}

}  // namespace ondemand::transport
