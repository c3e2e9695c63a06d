// SPDX-License-Identifier: Apache-2.0
#include "transport/supervisor.h"

#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
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
// How soon that is tried again for which there was no process, descriptor or memory.
// Unit: milliseconds.
constexpr int kRetryMs = 100;
// After so many tries to start a worker readers do not wait for it any longer.
constexpr int kStartTries = 5;
// The chief goes round that often while no worker lives.  Unit: milliseconds.
constexpr int kStandInMs = 20;
constexpr std::chrono::seconds kBetweenComplaints{10};

bool is_readable(const util::Fd& fd) {
  if (!fd) return true;  // no such process any more
  pollfd poll{fd.get(), POLLIN, 0};
  return ::poll(&poll, 1, 0) > 0;
}

void pause_for(int milliseconds) {
  ::poll(nullptr, 0, milliseconds);
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
  std::atomic<bool> is_ready_told = false;
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
  return be_chief();
}

// False when it failed, for want of a process, a descriptor or memory: it is to be done again.
// The end of the chief is never an answer to that (see run()).
template <class Thing>
bool Supervisor::attempt(std::string_view what, const Thing& thing,
                         std::string_view text) noexcept {
  try {
    thing();
    return true;
  } catch (const std::exception& error) {
    complain(text, what, error.what());
    return false;
  }
}

template <class Thing>
void Supervisor::insist(std::string_view what, const Thing& thing) noexcept {
  while (!attempt(what, thing))
    pause_for(kRetryMs);
}

void Supervisor::complain(std::string_view text, std::string_view what,
                          const char* reason) noexcept {
  const auto now = Clock::now();
  if (now < complain_at_) return;
  complain_at_ = now + kBetweenComplaints;
  try {
    log_.error(text, {{"action", what}, {"reason", reason}});
  } catch (const std::exception&) {
    // What goes on, goes on also where it cannot be told.
  }
}

void Supervisor::start_worker() {
  shared_->worker_state = kStarting;
  answered_at_start_ = survival_.answered();
  started_at_ = Clock::now();
  if (clone_sharing_files(shared_->worker_pid, worker_pidfd_) == 0) be_worker();
  is_worker_alive_ = true;
  is_standing_in_ = false;
  failed_starts_ = 0;
}

void Supervisor::start_deputy() {
  if (!own_pidfd_) own_pidfd_ = open_pidfd(::getpid());
  if (clone_sharing_files(shared_->deputy_pid, deputy_pidfd_) == 0) be_deputy();
}

void Supervisor::be_worker() noexcept {
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
void Supervisor::be_deputy() noexcept {
  for (;;) {
    pollfd polls[2] = {{own_pidfd_.get(), POLLIN, 0}, {guard_event_.get(), POLLIN, 0}};
    if (::poll(polls, 2, -1) < 0) continue;
    if ((polls[1].revents & POLLIN) != 0) be_guard();
    if ((polls[0].revents & POLLIN) != 0) break;
  }
  take_over();
  ::_exit(be_chief());
}

// The chief was killed: this process is the chief from now on.
void Supervisor::take_over() noexcept {
  shared_->chief_pid = ::getpid();
  // That of the dead chief, open until now; where there is no other descriptor, its place is one.
  own_pidfd_.reset();
  is_take_over_told_ = attempt("tell of the new main process", hooks_.on_take_over);
  attempt_once("log", [this] {
    log_.warning("main process died, its deputy takes over", {{"pid", ::getpid()}});
  });
  // release(): the old numbers may belong to nobody or to somebody else by now.
  worker_pidfd_.release();
  deputy_pidfd_.release();
  // Two workers at a time must never be.
  insist("find the worker", [this] { worker_pidfd_ = open_pidfd(shared_->worker_pid); });
  is_worker_alive_ = worker_pidfd_.is_open();
  started_at_ = Clock::now();
  answered_at_start_ = survival_.answered();
  if (shared_->is_stopping) kill_at_ = Clock::now() + kDrainLimit;
  if (!is_worker_alive_) attempt_once("note a death", [this] { worker_died(); });
}

void Supervisor::be_guard() noexcept {
  try {
    // The chief's end must not touch ours, nor ours the chief's.
    if (::unshare(CLONE_FILES) != 0) throw util::errno_error("guard", "unshare descriptors", errno);
    survival_.prepare_guard();
    // Here, since the chief may be killed before it comes to that.
    hooks_.on_becoming_guard();
  } catch (const std::exception& error) {
    log_.error(error.what());
    ::_exit(1);
  }
  // From here on nobody else is there, and nothing ends it before its time.
  shared_->is_guarding = true;
  raise(note_event_);
  ::setsid();
  [[maybe_unused]] const int ignored = ::chdir("/");
  attempt_once("leave the standard output", leave_standard_streams);
  insist("guard", [this] { survival_.run_guard(); });
  ::_exit(0);
}

int Supervisor::be_chief() noexcept {
  for (bool goes_on = true; goes_on;)
    if (!attempt("go on", [&] { goes_on = step_chief(); })) pause_for(kRetryMs);
  return end();
}

void Supervisor::mind_deputy() {
  if (!is_readable(deputy_pidfd_)) return;
  if (deputy_pidfd_) ::waitpid(shared_->deputy_pid, nullptr, WNOHANG);
  deputy_pidfd_.reset();
  attempt("start the deputy", [this] { start_deputy(); });
}

// Starts a worker, or does meanwhile what can be done without.  Returns how long nothing else has
// to be done.  Unit: milliseconds.
int Supervisor::replace_worker() {
  // What is left of the last one, a lock for instance, could be in the way of the next.
  const bool is_clean = !has_leak_ || attempt("close descriptors", [this] { close_leaked(); });
  if (Clock::now() >= restart_at_) {
    if (is_clean && attempt("start a worker", [this] { start_worker(); })) return kStandInMs;
    ++failed_starts_;
    restart_at_ = Clock::now() + std::chrono::milliseconds(kRetryMs);
  }
  if (failed_starts_ > 0 && failed_starts_ < kStartTries) return kStandInMs;
  return attempt("refuse reads", [this] { stand_in(); }) ? 0 : kStandInMs;
}

// Answers in place of a worker.  First for the one that died: until then nobody but that one knows
// what of the kernel's requests is unanswered.
void Supervisor::stand_in() {
  if (!is_standing_in_) survival_.refuse_outstanding();
  is_standing_in_ = true;
  survival_.stand_in(kStandInMs);
}

bool Supervisor::is_all_told() const {
  return is_take_over_told_ && (shared_->is_ready_told || !shared_->was_ever_ready);
}

// What the service manager must know: it could end all otherwise.
void Supervisor::tell_manager() noexcept {
  if (!is_take_over_told_)
    is_take_over_told_ = attempt("tell of the new main process", hooks_.on_take_over);
  if (shared_->was_ever_ready && !shared_->is_ready_told)
    shared_->is_ready_told = attempt("tell that all is watched", hooks_.on_ready);
}

// Waits for one thing to happen.  False when demandd is to end and no worker is left.
bool Supervisor::step_chief() {
  if (!is_worker_alive_ && shared_->is_stopping) return false;
  tell_manager();  // first, while there may be a descriptor for it
  mind_deputy();
  int wait_ms = is_worker_alive_ ? 1000 : replace_worker();
  if (!deputy_pidfd_ || !is_all_told()) wait_ms = std::min(wait_ms, kRetryMs);
  pollfd polls[4] = {{signals_.get(), POLLIN, 0},
                     {note_event_.get(), POLLIN, 0},
                     {deputy_pidfd_.get(), POLLIN, 0},
                     {is_worker_alive_ ? worker_pidfd_.get() : -1, POLLIN, 0}};
  ::poll(polls, 4, wait_ms);
  if (const int signal = take_signal(signals_.get()); signal != 0 && signal != SIGHUP) {
    if (shared_->is_stopping) kill_at_ = Clock::now();  // asked twice: no more patience
    ask_to_stop();
  }
  lower(note_event_);
  tell_manager();
  if (!is_worker_alive_) return true;
  if (is_readable(worker_pidfd_)) {
    attempt_once("note a death", [this] { worker_died(); });
  } else if (shared_->is_stopping && Clock::now() >= kill_at_) {
    ::kill(shared_->worker_pid, SIGKILL);
    kill_at_ = Clock::now() + std::chrono::seconds(5);
    attempt_once("log", [this] { log_.warning("worker does not end, killing it"); });
  }
  if (!is_worker_alive_ && survival_.is_dead()) return false;
  // The first worker says by itself why it cannot begin; nobody depends on it yet.
  return !(!is_worker_alive_ && !shared_->was_ever_ready && shared_->worker_state == kDone);
}

void Supervisor::ask_to_stop() {
  if (shared_->is_stopping.exchange(true)) return;
  kill_at_ = Clock::now() + kDrainLimit;
  raise(stop_event_);
  attempt_once("tell of the end", hooks_.on_stopping);
}

void Supervisor::worker_died() {
  int status = 0;
  // Its number may soon be another's.
  const int pid = shared_->worker_pid.exchange(0);
  const bool is_ours = pid > 0 && ::waitpid(pid, &status, WNOHANG) > 0;
  const bool was_ready = shared_->worker_state != kStarting;
  is_worker_alive_ = false;
  worker_pidfd_.reset();
  has_leak_ = true;
  // Also in a deputy, which was made with what its chief had then.
  is_standing_in_ = false;
  failed_starts_ = 0;
  if (shared_->is_stopping || survival_.is_dead()) return;
  if (shared_->worker_state == kDone && !shared_->was_ever_ready) return;
  note_death(was_ready, !is_ours || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
  const std::string cause = !is_ours              ? "unknown"
                            : WIFSIGNALED(status) ? util::concat("signal ", WTERMSIG(status))
                                                  : util::concat("exit ", WEXITSTATUS(status));
  log_.error("worker died, starting another",
             {{"pid", pid}, {"cause", cause}, {"waiting", survival_.descriptors().size()}});
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
}

void Supervisor::close_leaked() {
  std::vector<int> keep = base_fds_;
  for (const util::Fd* fd : {&signals_, &stop_event_, &note_event_, &guard_event_, &own_pidfd_,
                             &worker_pidfd_, &deputy_pidfd_})
    if (fd->is_open()) keep.push_back(fd->get());
  for (const int fd : survival_.descriptors())
    keep.push_back(fd);
  close_all_except(std::move(keep));
  has_leak_ = false;
}

int Supervisor::end() noexcept {
  const bool is_failed_start =
      !shared_->was_ever_ready && shared_->worker_state == kDone && !shared_->is_stopping;
  insist("close descriptors", [this] { close_leaked(); });
  insist("refuse reads", [this] { survival_.refuse_outstanding(); });
  const bool is_dead = survival_.is_dead();
  int status = is_dead ? 1 : 0;
  if (is_failed_start) status = std::max(1, shared_->worker_status.load());
  // Of a failed start nobody depends on us, unless we have taken over from a guard.
  const bool may_need_guard = !is_dead && (!is_failed_start || survival_.has_relieved_guard());
  bool needs_guard = may_need_guard;  // also where that cannot be told
  if (may_need_guard)
    attempt_once("look for users", [&] { needs_guard = survival_.needs_guard(); });
  if (!needs_guard) {
    end_deputy();
    return status;
  }
  // Two attempts: a deputy that was killed just now is made anew.
  if (!leave_guard() && !leave_guard()) {
    insist("guard", [this] {
      log_.error("no guard could be left behind, guarding in the main process");
      survival_.run_guard();
    });
    end_deputy();
    return 1;
  }
  attempt_once("tell of the guard", [this] { hooks_.on_guarded(shared_->deputy_pid); });
  return status;
}

bool Supervisor::leave_guard() {
  mind_deputy();
  if (!deputy_pidfd_) return false;
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
