// SPDX-License-Identifier: Apache-2.0
//
// Bytes that are handed from thread to thread without a copy.
#pragma once

#include <memory>
#include <utility>

#include "util/bytes.h"

namespace ondemand::util {

// `bytes` stay valid and unchanged as long as somebody has `owner`.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  Bytes bytes;

  SharedBytes() = default;
  SharedBytes(std::shared_ptr<const void> holder, Bytes some)
      : owner(std::move(holder)), bytes(some) {}
  // All of a buffer; nobody may change it any more.
  SharedBytes(std::shared_ptr<const Buffer> buffer)  // NOLINT: implicit on purpose
      : bytes(*buffer) {
    owner = std::move(buffer);
  }
  SharedBytes(std::shared_ptr<Buffer> buffer)  // NOLINT: implicit on purpose
      : SharedBytes(std::shared_ptr<const Buffer>(std::move(buffer))) {}
};

}  // namespace ondemand::util
