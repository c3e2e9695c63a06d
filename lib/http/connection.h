// SPDX-License-Identifier: Apache-2.0
//
// Private to this module: one connection to an origin.  The HTTP library speaks the protocol; the
// socket, its deadlines and its limits are ours.
// Thread: one user at a time.
#pragma once

#include <memory>

#include "http/client.h"

namespace ondemand::http {

class Connection {
 public:
  Connection(const Url& origin, std::chrono::milliseconds connect_timeout);
  ~Connection();

  enum class Outcome {
    kDone,     // an answer came; `response` and the receiver have it
    kStopped,  // the receiver wanted no (more) body
    kStale,    // the server had closed the kept-alive connection: nothing of an answer came
  };
  // Throws kUnavailable, kTimeout, and what the receiver throws.  `url` is for messages.
  Outcome exchange(const GetRequest& request, BodyReceiver& receiver, const std::string& url,
                   Response& response);
  // Whether another exchange may follow on the same socket.
  bool is_reusable() const;
  // Between two exchanges: whether nothing came and the server has not closed.  What a server says
  // unasked (408 to an idle client, or anything) would be taken for the answer to the next request.
  bool is_quiet() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ondemand::http
