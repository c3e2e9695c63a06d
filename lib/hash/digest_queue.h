// SPDX-License-Identifier: Apache-2.0
//
// Running digests beside other work.  A digest takes its bytes one after the other, so more threads
// do not make it faster; but two of them cost half as much together (sha256_together).  So all that
// waits, of whatever digest, is gathered until it is worth a task, and one task at a time takes it.
//
// Thread: one user at a time; the pool may be shared.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "hash/sha256.h"
#include "util/shared_bytes.h"
#include "util/thread_pool.h"

namespace ondemand::hash {

class DigestQueue {
 public:
  // Borrows the pool.
  explicit DigestQueue(util::ThreadPool& pool) : pool_(pool) {}
  ~DigestQueue() { wait(); }
  DigestQueue(const DigestQueue&) = delete;
  DigestQueue& operator=(const DigestQueue&) = delete;

  // `sha` takes the bytes in, after those of earlier calls.  It must stay where it is and must not
  // be used before flush() or wait().  Blocks while too much waits; throws what flush() throws.
  void update(Sha256& sha, util::SharedBytes bytes);
  // A whole message: its digest is in `out` after flush() or wait().
  void digest(util::SharedBytes bytes, Digest& out);

  // Everything is taken in when it returns.  Throws what a task threw.
  void flush();
  // The same without the exception.
  void wait() noexcept;

 private:
  struct Item {
    util::SharedBytes bytes;
    Sha256* sha = nullptr;     // of a running digest
    Digest* digest = nullptr;  // of a whole message
  };
  void add(Item item);
  void run();
  static void take_in(const std::vector<Item>& items);

  util::ThreadPool& pool_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Item> waiting_;
  std::size_t waiting_bytes_ = 0;
  bool running_ = false;   // a task is on the pool
  bool flushing_ = false;  // the task takes even a little
  std::exception_ptr failure_;
};

}  // namespace ondemand::hash
