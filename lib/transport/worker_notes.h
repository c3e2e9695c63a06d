// SPDX-License-Identifier: Apache-2.0
//
// What a worker of cachefiles leaves to the supervisor and to the next worker.
#pragma once

#include "transport/given_requests.h"
#include "transport/shared_counter.h"

namespace ondemand::transport {

struct WorkerNotes {
  SharedCounter answered;
  GivenRequests given;
};

}  // namespace ondemand::transport
