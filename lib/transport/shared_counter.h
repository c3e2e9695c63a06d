// SPDX-License-Identifier: Apache-2.0
//
// A number that all processes made from this one share.
#pragma once

#include <atomic>
#include <cstdint>

namespace ondemand::transport {

class SharedCounter {
 public:
  SharedCounter();  // 0.  Throws kIo.
  ~SharedCounter();
  SharedCounter(const SharedCounter&) = delete;
  SharedCounter& operator=(const SharedCounter&) = delete;

  void add() { value_->fetch_add(1); }
  std::uint64_t value() const { return value_->load(); }

 private:
  std::atomic<std::uint64_t>* value_ = nullptr;
};

}  // namespace ondemand::transport
