// SPDX-License-Identifier: Apache-2.0
//
// An engine with one source in memory.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>

#include "serve/engine.h"
#include "support/fake_source.h"
#include "support/frame_blob.h"

namespace ondemand::serve {

using Outcome = std::optional<util::Error>;

class EngineFixture : public ::testing::Test {
 protected:
  void start() { engine_ = std::make_unique<Engine>(Sources{source_}, options_, log_); }
  std::future<Outcome> submit_to(
      const std::shared_ptr<test::MemoryTarget>& target, const BlobRef& blob, util::ByteRange range,
      Priority priority = Priority::kDemand,
      std::optional<std::chrono::steady_clock::time_point> deadline = {}) {
    const auto done = std::make_shared<std::promise<Outcome>>();
    engine_->submit(
        blob, target, range, priority, [done](const Outcome& outcome) { done->set_value(outcome); },
        deadline);
    return done->get_future();
  }

  std::shared_ptr<test::FakeSource> source_ = std::make_shared<test::FakeSource>("source");
  EngineOptions options_;
  util::Log log_{util::LogLevel::kError, util::Log::null_sink()};
  std::unique_ptr<Engine> engine_;
};

}  // namespace ondemand::serve
