// SPDX-License-Identifier: Apache-2.0
//
// The processes of demandd with a kernel's side that only counts, where something fails that they
// need.  The kernel's group is a pipe here: who reads it sees whether anybody still has it.
#include "transport/supervisor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <new>

#include "support/refused_call.h"
#include "util/text.h"

namespace ondemand::transport {
namespace {

// Between two looks at what tells of no change by itself.
void wait_a_little() {
  ::poll(nullptr, 0, 1);
}

struct Notes {
  std::atomic<int> workers = 0, stood_in = 0, guard_pid = 0, chief_pid = 0, worker_pid = 0;
  std::atomic<int> errors = 0;  // lines of log
  std::atomic<int> refusals = 0, group = 0;
  std::atomic<bool> workers_die = false, workers_hang = false;  // hang: before they are ready
  std::atomic<bool> workers_fail = false;                       // and say so
  std::atomic<int> no_news = 0;                                 // so often nothing can be told
  std::atomic<int> ready_told = 0;
  std::atomic<bool> is_used = false, may_guard_end = false, has_filters = false;
  std::atomic<bool> has_relieved_guard = false;
  // Each is tried in vain once.
  std::atomic<bool> no_refusal = false, no_stand_in = false, no_look = false, no_guard = false;
};

class CountingSurvival : public Survival {
 public:
  explicit CountingSurvival(Notes& notes) : notes_(notes) {}
  std::vector<int> descriptors() override { return {}; }
  std::uint64_t answered() const override { return 0; }
  void refuse_outstanding() override {
    fail_if(notes_.no_refusal);
    ++notes_.refusals;
  }
  void stand_in(int timeout_ms) override {
    fail_if(notes_.no_stand_in);
    ++notes_.stood_in;
    ::poll(nullptr, 0, timeout_ms);
  }
  bool is_dead() const override { return false; }
  bool needs_guard() override {
    fail_if(notes_.no_look);
    return notes_.is_used;
  }
  bool has_relieved_guard() const override { return notes_.has_relieved_guard; }
  void prepare_guard() override {}
  void run_guard() override {
    fail_if(notes_.no_guard);
    notes_.guard_pid = ::getpid();
    while (!notes_.may_guard_end)
      wait_a_little();
  }

 private:
  static void fail_if(std::atomic<bool>& fails) {
    if (fails.exchange(false)) throw std::bad_alloc();
  }
  Notes& notes_;
};

class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest() {
    void* memory =
        ::mmap(nullptr, sizeof(Notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    notes_ = new (memory) Notes;
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    start_watcher();
  }
  ~SupervisorTest() override {
    // Whoever is left after a failure; the group of processes is there as long as one of them is.
    if (chief_ > 0 && !is_group_closed(0)) ::kill(-chief_, SIGKILL);
    if (notes_->guard_pid > 0 && !is_group_closed(100)) ::kill(notes_->guard_pid, SIGKILL);
    ::kill(watcher_, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    ::munmap(notes_, sizeof(Notes));
  }

  // Ends all others when the test is killed, after a time limit for instance: they outlive each
  // other on purpose.
  void start_watcher() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    life_ = util::Fd(ends[1]);
    const util::Fd other_end(ends[0]);
    watcher_ = ::fork();
    if (watcher_ != 0) return;
    life_.reset();
    pollfd poll{other_end.get(), 0, 0};
    while (::poll(&poll, 1, -1) <= 0) {
    }
    if (notes_->group > 0) ::kill(-notes_->group, SIGKILL);
    if (notes_->guard_pid > 0) ::kill(notes_->guard_pid, SIGKILL);
    ::_exit(0);
  }

  // As tools/demandd/daemon.cpp does it, `before` first.
  void start(const std::function<void()>& before = [] {}) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    group_ = util::Fd(ends[0]);
    util::Fd other_end(ends[1]);
    chief_ = ::fork();
    if (chief_ == 0) {
      ::setpgid(0, 0);
      notes_->group = ::getpid();
      group_.reset();
      life_.reset();
      before();
      ::_exit(run(std::move(other_end)));
    }
    wait_for([this] { return notes_->workers > 0 && children(chief_).size() == 2; });
    notes_->chief_pid = chief_;
  }
  int run(util::Fd group) {
    CountingSurvival survival(*notes_);
    util::Log log(util::LogLevel::kError,
                  [this](util::LogLevel, std::string_view) { ++notes_->errors; });
    SupervisorHooks hooks;
    hooks.run_worker = [this](int stop_fd, const std::function<void()>& ready) {
      notes_->worker_pid = ::getpid();
      ++notes_->workers;
      if (!notes_->workers_hang) ready();
      if (notes_->workers_die) ::_exit(3);
      pollfd stop{stop_fd, POLLIN, 0};
      while (::poll(&stop, 1, 1) == 0)
        if (notes_->workers_fail) return 7;
      return 0;
    };
    hooks.on_stopping = hooks.on_becoming_guard = [] {};
    hooks.on_ready = [this] {
      tell();
      ++notes_->ready_told;
    };
    hooks.on_take_over = [this] {
      tell();
      notes_->chief_pid = ::getpid();
    };
    hooks.on_guarded = [](pid_t) {};
    const util::Fd closed_at_the_end = std::move(group);
    return Supervisor(survival, std::move(hooks), log).run();
  }

  void tell() const {
    if (notes_->no_news > 0) {
      --notes_->no_news;
      throw std::bad_alloc();
    }
  }

  static std::vector<pid_t> children(pid_t pid) {
    std::ifstream list(util::concat("/proc/", pid, "/task/", pid, "/children"));
    std::vector<pid_t> pids;
    for (pid_t child = 0; list >> child;)
      pids.push_back(child);
    return pids;
  }
  template <class Condition>
  static void wait_for(const Condition& condition) {
    while (!condition())
      wait_a_little();
  }
  // True when no process has the other end any more.
  bool is_group_closed(int timeout_ms) const {
    pollfd poll{group_.get(), 0, 0};
    return ::poll(&poll, 1, timeout_ms) > 0;
  }
  int end_of_chief() const {
    int status = 0;
    EXPECT_EQ(::waitpid(chief_, &status, 0), chief_);
    return status;
  }
  // Takes a process the room for any other descriptor; poll(2) takes as many still.
  static rlimit take_descriptors(pid_t pid) {
    rlimit before{};
    EXPECT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &before), 0);
    const rlimit less{5, before.rlim_max};
    EXPECT_EQ(::prlimit(pid, RLIMIT_NOFILE, &less, nullptr), 0);
    return before;
  }

  pid_t deputy_of(pid_t chief) const {
    for (const pid_t child : children(chief))
      if (child != notes_->worker_pid) return child;
    return 0;
  }

  Notes* notes_ = nullptr;
  util::Fd group_, life_;
  pid_t chief_ = 0, watcher_ = 0;
};

TEST_F(SupervisorTest, StartsAnotherWorkerAndEndsWhenItIsTold) {
  start();
  ::kill(notes_->worker_pid, SIGKILL);
  wait_for([this] { return notes_->workers == 2; });
  ::kill(chief_, SIGTERM);
  EXPECT_EQ(end_of_chief(), 0);
  EXPECT_TRUE(is_group_closed(-1));
}

TEST_F(SupervisorTest, StandsInForAWorkerThatCannotStartUntilItCan) {
  start();
  const rlimit before = take_descriptors(chief_);
  notes_->no_refusal = notes_->no_stand_in = true;
  ::kill(notes_->worker_pid, SIGKILL);
  wait_for([this] { return notes_->stood_in > 2; });
  EXPECT_FALSE(notes_->no_refusal || notes_->no_stand_in);
  EXPECT_FALSE(is_group_closed(0));
  EXPECT_EQ(notes_->workers, 1);
  EXPECT_EQ(::prlimit(chief_, RLIMIT_NOFILE, &before, nullptr), 0);
  wait_for([this] { return notes_->workers == 2; });
  ::kill(chief_, SIGTERM);
  EXPECT_EQ(end_of_chief(), 0);
}

TEST_F(SupervisorTest, MakesAnotherDeputyWhenItCan) {
  start();
  const rlimit before = take_descriptors(chief_);
  auto family = children(chief_);
  const pid_t deputy = family[0] == notes_->worker_pid ? family[1] : family[0];
  ::kill(deputy, SIGKILL);
  wait_for([this] { return notes_->errors > 0; });
  EXPECT_EQ(children(chief_).size(), 1U);
  EXPECT_EQ(::prlimit(chief_, RLIMIT_NOFILE, &before, nullptr), 0);
  wait_for([this] { return children(chief_).size() == 2; });
  EXPECT_EQ(notes_->workers, 1);
  ::kill(chief_, SIGTERM);
  EXPECT_EQ(end_of_chief(), 0);
}

TEST_F(SupervisorTest, ADeputyWithoutDescriptorsTakesOverAllTheSame) {
  start();
  auto family = children(chief_);
  const pid_t deputy = family[0] == notes_->worker_pid ? family[1] : family[0];
  const rlimit before = take_descriptors(deputy);
  ::kill(chief_, SIGKILL);
  end_of_chief();
  wait_for([this] { return notes_->errors > 0; });
  EXPECT_EQ(notes_->chief_pid, deputy);
  EXPECT_FALSE(is_group_closed(0));
  EXPECT_EQ(::prlimit(deputy, RLIMIT_NOFILE, &before, nullptr), 0);
  wait_for([&] { return children(deputy).size() == 1; });  // its own deputy
  EXPECT_EQ(notes_->workers, 1);                           // it knows the old one
  ::kill(notes_->worker_pid, SIGKILL);
  wait_for([this] { return notes_->workers == 2; });
  ::kill(deputy, SIGTERM);
  EXPECT_TRUE(is_group_closed(-1));
}

TEST_F(SupervisorTest, ADeputyOfAChiefThatStoodInRefusesWhatALaterWorkerLeaves) {
  start();
  notes_->workers_die = true;
  const pid_t first = deputy_of(chief_);
  ::kill(notes_->worker_pid, SIGKILL);
  wait_for([this] { return notes_->stood_in > 0; });
  ::kill(first, SIGKILL);
  notes_->workers_die = false;
  notes_->workers_hang = true;
  const int stood_in = notes_->stood_in;
  const int workers = notes_->workers;
  wait_for([&] { return notes_->stood_in > stood_in || notes_->workers > workers; });
  wait_for([&] { return notes_->workers > workers && children(chief_).size() == 2; });
  const pid_t second = deputy_of(chief_);
  ::kill(chief_, SIGKILL);
  end_of_chief();
  wait_for([&] { return notes_->chief_pid == second && children(second).size() == 1; });
  const int refusals = notes_->refusals;
  const int stood_in_before = notes_->stood_in;
  ::kill(notes_->worker_pid, SIGKILL);
  wait_for([&] { return notes_->stood_in > stood_in_before; });
  EXPECT_EQ(notes_->refusals, refusals + 1);
  ::kill(second, SIGTERM);
  EXPECT_TRUE(is_group_closed(-1));
}

TEST_F(SupervisorTest, TellsTheServiceManagerUntilItIsTold) {
  notes_->no_news = 2;
  start();
  wait_for([this] { return notes_->ready_told > 0; });
  const pid_t deputy = deputy_of(chief_);
  notes_->no_news = 2;
  ::kill(chief_, SIGKILL);
  end_of_chief();
  wait_for([&] { return notes_->chief_pid == deputy; });
  EXPECT_EQ(notes_->no_news, 0);
  EXPECT_EQ(notes_->ready_told, 1);
  ::kill(deputy, SIGTERM);
  EXPECT_TRUE(is_group_closed(-1));
}

TEST_F(SupervisorTest, LeavesAGuardForWhoStillReads) {
  start();
  notes_->is_used = true;
  ::kill(chief_, SIGTERM);
  EXPECT_EQ(end_of_chief(), 0);
  wait_for([this] { return notes_->guard_pid > 0; });
  EXPECT_NE(notes_->guard_pid, chief_);
  EXPECT_FALSE(is_group_closed(0));
  notes_->may_guard_end = true;
  EXPECT_TRUE(is_group_closed(-1));
}

TEST_F(SupervisorTest, AFailedStartLeavesNoGuard) {
  notes_->workers_hang = notes_->is_used = true;
  start();
  notes_->workers_fail = true;
  EXPECT_EQ(end_of_chief(), W_EXITCODE(7, 0));
  EXPECT_TRUE(is_group_closed(-1));
  EXPECT_EQ(notes_->guard_pid, 0);
}

TEST_F(SupervisorTest, AFailedStartThatSentAGuardAwayLeavesAnother) {
  notes_->workers_hang = notes_->is_used = notes_->has_relieved_guard = true;
  start();
  notes_->workers_fail = true;
  EXPECT_EQ(end_of_chief(), W_EXITCODE(7, 0));
  EXPECT_FALSE(is_group_closed(0));
  wait_for([this] { return notes_->guard_pid > 0; });
  notes_->may_guard_end = true;
  EXPECT_TRUE(is_group_closed(-1));
}

TEST_F(SupervisorTest, GuardsInTheMainProcessWhereNoOtherCanHaveDescriptorsOfItsOwn) {
  start([this] { notes_->has_filters = test::refuse_call(SYS_unshare, EPERM); });
  notes_->is_used = true;
  ::kill(chief_, SIGTERM);
  wait_for([this] { return notes_->guard_pid > 0; });
  if (notes_->has_filters) {
    EXPECT_EQ(notes_->guard_pid, chief_);
  }
  EXPECT_FALSE(is_group_closed(0));
  notes_->may_guard_end = true;
  EXPECT_EQ(end_of_chief(), notes_->has_filters ? W_EXITCODE(1, 0) : 0);
  EXPECT_TRUE(is_group_closed(-1));
}

TEST_F(SupervisorTest, GuardsAlsoWhereItIsNotKnownWhetherAnybodyReads) {
  start();
  notes_->no_refusal = notes_->no_look = notes_->no_guard = true;
  ::kill(chief_, SIGTERM);
  EXPECT_EQ(end_of_chief(), 0);
  wait_for([this] { return notes_->guard_pid > 0; });
  EXPECT_FALSE(notes_->no_refusal || notes_->no_look || notes_->no_guard);
  EXPECT_FALSE(is_group_closed(0));
  notes_->may_guard_end = true;
  EXPECT_TRUE(is_group_closed(-1));
}

}  // namespace
}  // namespace ondemand::transport
