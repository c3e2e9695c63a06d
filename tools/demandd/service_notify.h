// SPDX-License-Identifier: Apache-2.0
//
// Tells the service manager how far we are.
// Source: sd_notify(3): one datagram to the socket that $NOTIFY_SOCKET names, '@' = abstract.
#pragma once

#include <string_view>

namespace ondemand::demandd {

// Does nothing without a service manager.  Throws kIo for want of descriptors or memory: try again
// later.  Other failures are ignored, as sd_notify(3) advises.
void notify_service(std::string_view state);

}  // namespace ondemand::demandd
