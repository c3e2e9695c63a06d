// SPDX-License-Identifier: Apache-2.0
//
// A real program beside a test: started with its output in a file, ended by its process id, and
// killed by the kernel should the test die first.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ondemand::test {

// The program in $PATH and the sbin directories; nullopt when it is not installed.
std::optional<std::string> find_program(const std::string& name);

class ChildProcess {
 public:
  // Standard output and error go to `log`.  `arguments` begin with the path of the program.
  ChildProcess(std::vector<std::string> arguments, std::filesystem::path log);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();  // SIGTERM, and SIGKILL after ten seconds

  // Exit status; -1 when a signal ended it.  Kills it when it takes longer than a minute.
  int wait();
  // Looks every few milliseconds until `is_ready`; false when the process ended or a minute passed.
  bool wait_until(const std::function<bool()>& is_ready);
  std::string log() const;

 private:
  bool reap(std::chrono::milliseconds limit);

  pid_t pid_ = -1;
  int status_ = 0;
  std::filesystem::path log_;
};

// Runs a program to its end; its exit status.  What it prints is in `output`.
int run_program(std::vector<std::string> arguments, const std::filesystem::path& log,
                std::string& output);

}  // namespace ondemand::test
