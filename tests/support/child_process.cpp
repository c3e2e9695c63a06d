// SPDX-License-Identifier: Apache-2.0
#include "support/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace ondemand::test {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::optional<std::string> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders((path == nullptr ? "" : path) + std::string(":/usr/sbin:/sbin"));
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/" + name;
    if (!folder.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

ChildProcess::ChildProcess(std::vector<std::string> arguments, std::filesystem::path log)
    : log_(std::move(log)) {
  const int output = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::vector<char*> pointers;
  for (auto& argument : arguments)
    pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    // Only calls that are safe between fork and exec.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(input, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::close(output);
  ::close(input);
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

ChildProcess::~ChildProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  if (reap(milliseconds(10'000))) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
}

bool ChildProcess::reap(milliseconds limit) {
  const auto end = steady_clock::now() + limit;
  while (pid_ >= 0) {
    const pid_t done = ::waitpid(pid_, &status_, WNOHANG);
    if (done == pid_ || (done < 0 && errno == ECHILD)) pid_ = -1;
    if (pid_ < 0) break;
    if (steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

int ChildProcess::wait() {
  if (!reap(milliseconds(60'000))) {
    ::kill(pid_, SIGKILL);
    reap(milliseconds(10'000));
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
}

bool ChildProcess::wait_until(const std::function<bool()>& is_ready) {
  const auto end = steady_clock::now() + milliseconds(60'000);
  while (steady_clock::now() < end) {
    if (is_ready()) return true;
    if (reap(milliseconds(0))) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

std::string ChildProcess::log() const {
  std::ifstream file(log_);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int run_program(std::vector<std::string> arguments, const std::filesystem::path& log,
                std::string& output) {
  ChildProcess process(std::move(arguments), log);
  const int status = process.wait();
  output = process.log();
  return status;
}

}  // namespace ondemand::test
