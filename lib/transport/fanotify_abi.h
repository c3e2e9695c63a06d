// SPDX-License-Identifier: Apache-2.0
//
// What <sys/fanotify.h> of Debian 12 does not know yet of pre-content events, and the layout of
// what a group's read() gives.
// Source: Linux include/uapi/linux/fanotify.h, 6.14 and later (commit 4f8afa33817a).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ondemand::transport::abi {

inline constexpr std::uint64_t kPreAccess = 0x00100000;      // FAN_PRE_ACCESS
inline constexpr std::uint64_t kQueueOverflow = 0x00004000;  // FAN_Q_OVERFLOW
inline constexpr std::uint8_t kMetadataVersion = 3;          // FANOTIFY_METADATA_VERSION
inline constexpr std::uint8_t kInfoRange = 6;                // FAN_EVENT_INFO_TYPE_RANGE
inline constexpr std::int32_t kNoFd = -1;                    // FAN_NOFD

// struct fanotify_event_metadata, host byte order: u32 event_len, u8 vers, u8 reserved,
// u16 metadata_len, u64 mask, s32 fd, s32 pid.
inline constexpr std::size_t kMetadataBytes = 24;
// struct fanotify_event_info_header: u8 info_type, u8 pad, u16 len (of the whole record).
inline constexpr std::size_t kInfoHeaderBytes = 4;
// struct fanotify_event_info_range: the header, u32 pad, u64 offset, u64 count.
inline constexpr std::size_t kRangeRecordBytes = 24;

// struct fanotify_response is {s32 fd, u32 response}; what `response` may be:
inline constexpr std::uint32_t kAllow = 1;  // FAN_ALLOW
inline constexpr std::uint32_t kDeny = 2;   // FAN_DENY
// FAN_DENY_ERRNO(e).  Only EPERM EIO EBUSY ETXTBSY EAGAIN ENOSPC EDQUOT are taken.
constexpr std::uint32_t deny_errno(int error) {
  return kDeny | (static_cast<std::uint32_t>(error) & 0xff) << 24;
}

}  // namespace ondemand::transport::abi
