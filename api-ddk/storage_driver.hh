// SPDX-License-Identifier: GPL-2.0-only
//
// The SCSI device server of the sample driver (SPC-4, SBC-3): reads a CDB, checks it against a
// table, and says what is to be done. It moves no data and calls nobody: the LUN class does that
// with the Plan it gets back. Pure functions over their arguments, callable from any thread.
#pragma once

#include "chiscsi_scsi_command.h"
#include "iface_types.hh"

namespace iface {

constexpr u32 kMaxLuns = 64;
constexpr u32 kResponseMax = 4096;  // bytes of the longest parameter data
constexpr u32 kSerialMax = 20;      // characters of a unit serial number

// What the initiator sees of one logical unit. Immutable once the target runs.
struct Device {
  u32 number = 0;
  u32 block_shift = 9;          // log2 of the block length
  u64 blocks = 0;               // capacity
  u32 max_transfer_blocks = 0;  // MAXIMUM TRANSFER LENGTH
  u32 optimal_transfer_blocks = 0;
  u64 naa = 0;          // locally assigned NAA identifier
  char vendor[8] = {};  // padded with blanks, as the next two
  char product[16] = {};
  char revision[4] = {};
  char serial[kSerialMax + 1] = {};
  char target_name[224] = {};
};

// SAM status codes.
constexpr u8 kGood = 0x00;
constexpr u8 kCheckCondition = 0x02;
constexpr u8 kTaskAborted = 0x40;

struct Sense {
  u8 key = 0;
  u8 asc = 0;
  u8 ascq = 0;
};

constexpr Sense kNoSense{};
constexpr Sense kParameterListLength{0x5, 0x1a, 0x00};
constexpr Sense kInvalidOpcode{0x5, 0x20, 0x00};
constexpr Sense kLbaOutOfRange{0x5, 0x21, 0x00};
constexpr Sense kInvalidField{0x5, 0x24, 0x00};
constexpr Sense kNoSuchUnit{0x5, 0x25, 0x00};
constexpr Sense kInvalidParameter{0x5, 0x26, 0x00};
constexpr Sense kSavingNotSupported{0x5, 0x39, 0x00};
constexpr Sense kWrongDirection{0x5, 0x0e, 0x03};  // invalid field in command information unit
constexpr Sense kModeParametersChanged{0x6, 0x2a, 0x01};
constexpr Sense kSoftwareWriteProtected{0x7, 0x27, 0x02};
constexpr Sense kAbortedCommand{0xb, 0x00, 0x00};

// The mode parameters of a unit that MODE SELECT changes; as they are here by default.
struct Modes {
  bool write_protected = false;  // SWP

  friend bool operator==(Modes a, Modes b) { return a.write_protected == b.write_protected; }
};

// What a command depends on besides its CDB.
struct UnitState {
  const Modes* modes = nullptr;  // nullptr: a driver that lets none be changed
  Sense attention;               // the unit attention condition of the sender; key 0: none
};

// What a CDB asks for, once found valid.
struct Plan {
  enum class Kind : u8 {
    kNothing,     // no data; the status is already known
    kResponse,    // `length` bytes of parameter data lie in the response buffer
    kParameters,  // a list of `length` bytes, kResponseMax at most, comes for select_modes()
    kReadMedia,   // `length` bytes of the medium from `offset` go to the initiator
    kWriteMedia   // `length` bytes from the initiator go to the medium at `offset`
  };
  Kind kind = Kind::kNothing;
  bool tells_attention = false;  // the unit attention condition is over
  u64 offset = 0;
  u64 length = 0;
  Sense sense;  // a key other than 0 means CHECK CONDITION

  bool failed() const { return sense.key != 0; }
  bool writes() const { return kind == Kind::kWriteMedia || kind == Kind::kParameters; }
};

// The logical units of the target, by number.
struct DeviceList {
  const Device* const* devices = nullptr;
  u32 count = 0;

  const Device* find(u32 number) const { return number < count ? devices[number] : nullptr; }
};

// Decides what the 16 bytes of `cdb`, sent to unit `lun`, ask for. Parameter data is written to
// `response`, kResponseMax bytes, and already cut to the allocation length of the CDB.
Plan plan_command(const DeviceList& luns, u32 lun, const u8* cdb, u8* response,
                  const UnitState& state = {});

// How many bytes really move, and what the residual is: compares the plan with the Expected Data
// Transfer Length and the direction the initiator gave in the command PDU.
struct Transfer {
  u32 length = 0;    // bytes to move
  u32 flag = 0;      // SC_FLAG_XFER_OVERFLOW, SC_FLAG_XFER_UNDERFLOW or 0
  u32 residual = 0;  // bytes
  Sense sense;       // set if what is to be written does not come, or not all of a parameter list
};
Transfer fit_transfer(const Plan& plan, u32 expected, bool is_write);

// Copies `text` to `field`, cut or padded with blanks to `size` characters.
void put_padded(char* field, u32 size, Text text);

// A stable 64-bit identifier for a name (FNV-1a).
u64 hash_text(Text text);

}  // namespace iface
