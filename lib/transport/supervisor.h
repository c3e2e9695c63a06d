// SPDX-License-Identifier: Apache-2.0
//
// Keeps the kernel group alive and served whichever process dies.
//
//   chief   the process that was started: tiny, waits; takes the signals
//   worker  does all the work; may be killed at any instant
//   deputy  waits for the death of the chief; becomes the guard when demandd ends with images in
//   use
//
// All three share one descriptor table, so events that the worker has read stay open when it
// dies; the chief starts the next worker, which answers them out of the journal.  The deputy does
// the same for the chief.  Only when all are killed at once does the kernel let readers through.
// Source: doc/KERNEL.md 4.6.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "transport/survival.h"
#include "util/fd.h"
#include "util/log.h"

namespace ondemand::transport {

struct SupervisorHooks {
  // In the worker: serves until `stop_fd` is readable, then drains.  Calls `ready` once when all
  // is watched.  Returns the exit status; what it throws becomes 1.
  std::function<int(int stop_fd, const std::function<void()>& ready)> run_worker;
  // In the chief.  Called again and again as long as it throws.
  std::function<void()> on_ready;
  std::function<void()> on_stopping;  // once
  // This process is the chief now instead of one that was killed.  Called again as long as it
  // throws.
  std::function<void()> on_take_over;
  // In the guard, before it is one: lets a new demandd start.
  std::function<void()> on_becoming_guard;
  // Just before the chief ends and leaves a guard.
  std::function<void(pid_t guard)> on_guarded;
};

class Supervisor {
 public:
  // Borrows all.  Must be made before any thread.
  Supervisor(Survival& survival, SupervisorHooks hooks, util::Log& log);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Returns the exit status of demandd when a signal asked for the end, when the first worker
  // could not begin, or when the kernel's side has died.  Throws only before there is a worker:
  // later the caller, which then closes all, would close it for the other processes as well.
  int run();

 private:
  struct Shared;
  using Clock = std::chrono::steady_clock;

  void start_worker();
  void start_deputy();
  [[noreturn]] void be_worker() noexcept;
  [[noreturn]] void be_deputy() noexcept;
  [[noreturn]] void be_guard() noexcept;
  int be_chief() noexcept;
  bool step_chief();
  bool is_all_told() const;
  void tell_manager() noexcept;
  void take_over() noexcept;
  void mind_deputy();
  int replace_worker();
  void stand_in();
  void worker_died();
  void note_death(bool was_ready, bool was_killed);
  void ask_to_stop();
  int end() noexcept;
  bool leave_guard();
  void end_deputy();
  void close_leaked();
  template <class Thing>
  bool attempt(std::string_view what, const Thing& thing,
               std::string_view text = "not possible now, tried again") noexcept;
  template <class Thing>
  void attempt_once(std::string_view what, const Thing& thing) noexcept {
    attempt(what, thing, "not possible");
  }
  template <class Thing>
  void insist(std::string_view what, const Thing& thing) noexcept;
  void complain(std::string_view text, std::string_view what, const char* reason) noexcept;

  Survival& survival_;
  const SupervisorHooks hooks_;
  util::Log& log_;

  Shared* shared_;
  std::vector<int> base_fds_;
  util::Fd signals_, stop_event_, note_event_, guard_event_;
  util::Fd own_pidfd_, worker_pidfd_, deputy_pidfd_;
  bool is_take_over_told_ = true;
  bool is_worker_alive_ = false;
  bool has_leak_ = false;        // what a worker had opened is open still
  bool is_standing_in_ = false;  // what it had not answered is refused
  int failures_ = 0;             // deaths in a row of workers that got nothing done
  int failed_starts_ = 0;        // in a row
  std::uint64_t answered_at_start_ = 0;
  Clock::time_point started_at_{};
  Clock::time_point restart_at_{};
  Clock::time_point kill_at_{};
  Clock::time_point complain_at_{};
};

}  // namespace ondemand::transport
