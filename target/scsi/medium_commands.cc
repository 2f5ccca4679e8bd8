// SPDX-License-Identifier: GPL-2.0-only
//
// The rows of commands that read, write, compare or flush blocks (SBC-4 section 5). They go to the
// class of the LUN once medium.cc has found nothing wrong with them.
#include "target/scsi/command_table.hh"

namespace chiscsi::scsi {

namespace {

using M = MediumLayout;
constexpr M kRead{M::kIn, M::kCounts, false, 0};
constexpr M kWrite{M::kOut, M::kCounts, true, 0};
constexpr M kVerify{M::kByBytchk, M::kCounts, false, 0};
constexpr M kToEnd{M::kNone, M::kZeroIsRest, false, 0};
constexpr M kRead6Layout{M::kIn, M::kCounts, false, 6};
constexpr M kWrite6Layout{M::kOut, M::kCounts, true, 6};
constexpr M with_size(M layout, uint8_t size) {
  layout.cdb_size = size;
  return layout;
}
constexpr M kRead10Layout = with_size(kRead, 10), kWrite10Layout = with_size(kWrite, 10);
constexpr M kRead12Layout = with_size(kRead, 12), kWrite12Layout = with_size(kWrite, 12);
constexpr M kRead16Layout = with_size(kRead, 16), kWrite16Layout = with_size(kWrite, 16);
constexpr M kVerify10Layout = with_size(kVerify, 10), kVerify12Layout = with_size(kVerify, 12);
constexpr M kVerify16Layout = with_size(kVerify, 16);
constexpr M kWriteSame10Layout{M::kOut, M::kZeroIsRest, true,
                               10,      M::kUsual,      CHISCSI_LUN_RUNS_WRITE_SAME};
constexpr M kWriteSame16Layout{M::kOut, M::kZeroIsRest, true,
                               16,      M::kUsual,      CHISCSI_LUN_RUNS_WRITE_SAME};
constexpr M kUnmapLayout{M::kOut, M::kCounts, true, 10, M::kNoBlocks, CHISCSI_LUN_RUNS_UNMAP};
constexpr M kCompareAndWriteLayout{M::kOut, M::kCounts,       true,
                                   16,      M::kOneByteCount, CHISCSI_LUN_RUNS_COMPARE_AND_WRITE};
constexpr M kOrWriteLayout{M::kOut, M::kCounts, true, 16, M::kUsual, CHISCSI_LUN_RUNS_ORWRITE};
constexpr M kWriteAtomicLayout{M::kOut, M::kCounts,       true,
                               16,      M::kTwoByteCount, CHISCSI_LUN_RUNS_WRITE_ATOMIC};
constexpr M kGetLbaStatusLayout{M::kIn, M::kCounts,    false,
                                16,     M::kFirstOnly, CHISCSI_LUN_RUNS_GET_LBA_STATUS};
constexpr M kOverwriteLayout{M::kOut, M::kCounts,   true,
                             10,      M::kNoBlocks, CHISCSI_LUN_RUNS_SANITIZE_OVERWRITE};
constexpr M kBlockEraseLayout{M::kNone, M::kCounts,   true,
                              10,       M::kNoBlocks, CHISCSI_LUN_RUNS_SANITIZE_ERASE};
constexpr M kExitFailureLayout{M::kNone, M::kCounts,   true,
                               10,       M::kNoBlocks, CHISCSI_LUN_RUNS_SANITIZE_EXIT};
constexpr M kToEnd10Layout = with_size(kToEnd, 10), kToEnd16Layout = with_size(kToEnd, 16);

// Bits of byte 1 that are not evaluated and may be set. Obsolete ones, which initiators of SCSI-2
// and SBC-3 set: the logical unit number in CDBs of up to 12 bytes, RELADR in those of 10 and 12,
// FUA_NV and SYNC_NV.
constexpr uint8_t kOldLun = 0xe0, kRelAdr = 0x01, kFuaNv = 0x02, kSyncNv = 0x04;
// And fields of check_medium(): xxPROTECT, BYTCHK.
constexpr uint8_t kProtect = 0xe0, kBytchkField = 0x06;
constexpr uint8_t kOfTransfer = kProtect | kFuaNv, kOfOldTransfer = kOfTransfer | kRelAdr;
constexpr uint8_t kOfCheck = kProtect | kBytchkField, kOfOldCheck = kOfCheck | kRelAdr;

// A medium command.
constexpr CommandInfo medium(Opcode opcode, const M& layout, uint8_t options, uint8_t allowed) {
  CommandInfo info;
  info.opcode = opcode;
  info.medium = &layout;
  info.needs_geometry = info.needs_medium = true;
  info.usage_size = layout.cdb_size;
  info.usage[0] = static_cast<uint8_t>(opcode);
  const uint8_t last = static_cast<uint8_t>(layout.cdb_size - 1);
  for (uint8_t i = 1; i < last; ++i)
    info.usage[i] = 0xff;
  info.usage[1] = options;
  info.allowed[1] = allowed;
  if (layout.cdb_size == 6 || layout.names == M::kNoBlocks) return info;
  // The group number is a hint. It is in the byte before CONTROL; in 10-byte CDBs in byte 6.
  const uint8_t group = layout.cdb_size == 10 ? 6 : static_cast<uint8_t>(last - 1);
  info.usage[group] = 0;
  info.allowed[group] = layout.cdb_size == 16 ? 0x3f : 0x1f;
  return info;
}

// One whose blocks stand at other places, or that is one of several with its operation code.
template <size_t N>
constexpr CommandInfo special(Opcode opcode, uint8_t service_action, const M& layout,
                              const uint8_t (&usage)[N], uint8_t allowed = 0) {
  CommandInfo info = medium(opcode, layout, 0, allowed);
  info.service_action = service_action;
  uint8_t at = 1;
  for (const uint8_t bits : usage)
    info.usage[at++] = bits;
  return info;
}

// check_medium() looks at the whole of these bytes.
constexpr CommandInfo with_field(CommandInfo info, uint8_t first, uint8_t last) {
  for (uint8_t at = first; at <= last; ++at)
    info.allowed[at] = 0xff;
  return info;
}

constexpr uint8_t kDpoAndFua = 0x18, kDpoAndBytchk = 0x12, kImmed = 0x02;
constexpr uint8_t kUnmapBit = 0x08, kUnmapAndNdob = 0x09;
constexpr uint8_t kLbaOf6 = 0x1f;

constexpr CommandInfo kMediumCommands[] = {
    medium(Opcode::kRead6, kRead6Layout, kLbaOf6, kOldLun),
    medium(Opcode::kWrite6, kWrite6Layout, kLbaOf6, kOldLun),
    medium(Opcode::kRead10, kRead10Layout, kDpoAndFua, kOfOldTransfer),
    medium(Opcode::kWrite10, kWrite10Layout, kDpoAndFua, kOfOldTransfer),
    medium(Opcode::kWriteAndVerify10, kWrite10Layout, kDpoAndBytchk, kOfOldCheck),
    medium(Opcode::kVerify10, kVerify10Layout, kDpoAndBytchk, kOfOldCheck),
    medium(Opcode::kPreFetch10, kToEnd10Layout, kImmed, kOldLun | kRelAdr),
    medium(Opcode::kSynchronizeCache10, kToEnd10Layout, kImmed, kOldLun | kSyncNv | kRelAdr),
    medium(Opcode::kRead16, kRead16Layout, kDpoAndFua, kOfTransfer),
    medium(Opcode::kWrite16, kWrite16Layout, kDpoAndFua, kOfTransfer),
    medium(Opcode::kWriteAndVerify16, kWrite16Layout, kDpoAndBytchk, kOfCheck),
    medium(Opcode::kVerify16, kVerify16Layout, kDpoAndBytchk, kOfCheck),
    medium(Opcode::kPreFetch16, kToEnd16Layout, kImmed, 0),
    medium(Opcode::kSynchronizeCache16, kToEnd16Layout, kImmed, kSyncNv),
    medium(Opcode::kRead12, kRead12Layout, kDpoAndFua, kOfOldTransfer),
    medium(Opcode::kWrite12, kWrite12Layout, kDpoAndFua, kOfOldTransfer),
    medium(Opcode::kWriteAndVerify12, kWrite12Layout, kDpoAndBytchk, kOfOldCheck),
    medium(Opcode::kVerify12, kVerify12Layout, kDpoAndBytchk, kOfOldCheck),
    medium(Opcode::kWriteSame10, kWriteSame10Layout, kUnmapBit, kProtect),
    medium(Opcode::kWriteSame16, kWriteSame16Layout, kUnmapAndNdob, kProtect),
    special(Opcode::kUnmap, kNoServiceAction, kUnmapLayout, {0, 0, 0, 0, 0, 0, 0xff, 0xff}),
    special(Opcode::kCompareAndWrite, kNoServiceAction, kCompareAndWriteLayout,
            {kDpoAndFua, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0},
            kOfTransfer),
    medium(Opcode::kOrWrite16, kOrWriteLayout, kDpoAndFua, kOfTransfer),
    // The atomic boundary.
    with_field(
        special(Opcode::kWriteAtomic16, kNoServiceAction, kWriteAtomicLayout,
                {kDpoAndFua, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0},
                kProtect),
        10, 11),
    // REPORT TYPE.
    with_field(
        special(Opcode::kServiceActionIn16, kGetLbaStatus, kGetLbaStatusLayout,
                {0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}),
        14, 14),
    special(Opcode::kSanitize, kSanitizeOverwrite, kOverwriteLayout,
            {0xbf, 0, 0, 0, 0, 0, 0xff, 0xff}),
    special(Opcode::kSanitize, kSanitizeBlockErase, kBlockEraseLayout, {0xbf, 0, 0, 0, 0, 0, 0, 0}),
    special(Opcode::kSanitize, kSanitizeExitFailure, kExitFailureLayout,
            {0xbf, 0, 0, 0, 0, 0, 0, 0}),
};

}  // namespace

Span<const CommandInfo> medium_commands() { return kMediumCommands; }

}  // namespace chiscsi::scsi
