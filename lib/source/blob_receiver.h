// SPDX-License-Identifier: Apache-2.0
//
// Takes exactly the stored bytes that were asked for out of an answer, or says what is wrong with
// it.  A log-in page, a proxy's error page, another range or another length is never data.
// Source: RFC 9110 sections 8.4, 14.4, 15.3.7 (206), 15.5.17 (416).
#pragma once

#include <functional>
#include <string>

#include "http/client.h"
#include "util/units.h"

namespace ondemand::source {

// Why the body is not what is stored, whatever it is; empty when it may be.
std::string check_coding(const http::Response& response);

// What is wrong with an answer of status 200 or 206 to a request for `wanted`; empty when it may
// hold the bytes.  `may_be_whole`: a 200 is right when it has exactly wanted.len bytes.
std::string check_answer(const http::Response& response, util::ByteRange wanted, bool may_be_whole);

class BlobReceiver final : public http::BodyReceiver {
 public:
  // Gets the bytes in order, never more than wanted.len of them; `position` counts from the start
  // of the range.  Starts again at 0 when the same receiver is used for another attempt.
  using Take = std::function<void(std::uint64_t position, util::Bytes bytes)>;
  BlobReceiver(util::ByteRange wanted, bool may_be_whole, Take take)
      : wanted_(wanted), may_be_whole_(may_be_whole), take_(std::move(take)) {}

  bool begin(const http::Response& response) override;
  bool data(util::Bytes bytes) override;

  std::uint64_t received() const { return received_; }
  const std::string& complaint() const { return complaint_; }  // empty: nothing wrong so far

 private:
  const util::ByteRange wanted_;
  const bool may_be_whole_;
  Take take_;
  std::uint64_t received_ = 0;
  std::string complaint_;
};

}  // namespace ondemand::source
