// SPDX-License-Identifier: Apache-2.0
//
// What the control devices of CacheFiles send, byte for byte, in the byte order of the machine.
// Sources: include/uapi/linux/cachefiles.h of Linux 5.19 to 7.1 (the on-demand mode) and
// include/uapi/linux/cachefiles_demand.h of our series (kernel-patches; the demand mode).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ondemand::cachefiles::abi {

inline constexpr const char* kDemandDevice = "/dev/cachefiles_demand";
inline constexpr const char* kDevice = "/dev/cachefiles";

// No message of any mode is longer: CACHEFILES_MSG_MAX_SIZE, CACHEFILES_DEMAND_MSG_MAX.
inline constexpr std::size_t kMaxMessageBytes = 1024;

// Longest key of a volume (without NUL) and of a cookie that fscache keeps (one byte of length).
inline constexpr std::size_t kMaxKeyBytes = 255;
// A command is shorter than a page.  Source: cachefiles_daemon_write(), fs/cachefiles/daemon.c.
inline constexpr std::size_t kMaxCommandBytes = 4095;
// Largest errno that a command carries.  Source: MAX_ERRNO, include/linux/err.h.
inline constexpr int kMaxErrno = 4095;
// Ranges and object sizes are signed in the kernel (loff_t).
inline constexpr std::uint64_t kMaxOffset = 0x7fffffffffffffff;

// ---- demand mode (/dev/cachefiles_demand)

// struct cachefiles_demand_msg, followed by the path, its NUL, and zeros up to a multiple of 8.
struct DemandMessage {
  std::uint32_t len;
  std::uint32_t op;
  std::uint64_t id;
  std::uint64_t off;
  std::uint64_t count;
  std::uint64_t object_size;
  std::uint32_t path_len;  // without the NUL
  std::uint32_t flags;
};
static_assert(sizeof(DemandMessage) == 48 && offsetof(DemandMessage, id) == 8 &&
              offsetof(DemandMessage, object_size) == 32 && offsetof(DemandMessage, flags) == 44);

inline constexpr std::uint32_t kDemandOpRead = 1;     // CACHEFILES_DEMAND_OP_READ
inline constexpr std::uint32_t kDemandFlagAgain = 1;  // CACHEFILES_DEMAND_F_AGAIN

// struct cachefiles_demand_compat_msg, the message of the proposal of January 2022.
struct CompatMessage {
  std::uint64_t id;
  std::uint64_t off;
  std::uint64_t len;
  char path[256];  // name of the backing file alone, NUL-terminated
};
static_assert(sizeof(CompatMessage) == 280);

// ---- on-demand mode (/dev/cachefiles after `bind ondemand`)

// enum cachefiles_opcode
inline constexpr std::uint32_t kOpOpen = 0;
inline constexpr std::uint32_t kOpClose = 1;
inline constexpr std::uint32_t kOpRead = 2;

// struct cachefiles_msg
struct MessageHeader {
  std::uint32_t msg_id;
  std::uint32_t opcode;
  std::uint32_t len;  // of the whole message
  std::uint32_t object_id;
};
static_assert(sizeof(MessageHeader) == 16);

// struct cachefiles_open, then the volume key with its NUL, then the cookie key without one.
struct OpenPayload {
  std::uint32_t volume_key_size;  // with the NUL
  std::uint32_t cookie_key_size;
  std::uint32_t fd;
  std::uint32_t flags;  // 0
};
static_assert(sizeof(OpenPayload) == 16);

// struct cachefiles_read
struct ReadPayload {
  std::uint64_t off;
  std::uint64_t len;
};
static_assert(sizeof(ReadPayload) == 16);

// CACHEFILES_IOC_READ_COMPLETE: _IOW(0x98, 1, int), with the message id as the argument itself.
inline constexpr unsigned long kIocReadComplete = 0x40049801;

}  // namespace ondemand::cachefiles::abi
