// SPDX-License-Identifier: GPL-2.0-only
#include "storage_driver.hh"

#include "storage_mode.hh"

namespace iface {
namespace {

constexpr u8 kDpoFua = 0x1a;     // DPO, FUA, FUA_NV of a media access CDB
constexpr u8 kDpoBytchk = 0x16;  // DPO, BYTCHK of WRITE AND VERIFY: the check cannot fail here
constexpr u8 kServiceAction = 0x1f;
constexpr u8 kGroup = 0x1f;  // group number: accepted, no groups are counted

// Everything a handler looks at.
struct Request {
  const DeviceList& luns;
  const Device* device;  // nullptr for an absent unit
  const u8* cdb;
  u8* response;
  const UnitState& state;
};

Plan fail(Sense sense) {
  Plan plan;
  plan.sense = sense;
  return plan;
}

// `length` bytes of parameter data, cut to the allocation length.
Plan respond(u32 length, u32 allocation_length) {
  Plan plan;
  plan.kind = Plan::Kind::kResponse;
  plan.length = min(length, allocation_length);
  return plan;
}

Plan good(const Request&) { return Plan{}; }

// ---- Media access ----

struct Extent {
  u64 lba;
  u32 blocks;
};

// Compared without adding, so that nothing wraps.
bool outside(const Device& device, Extent extent) {
  return extent.lba > device.blocks || extent.blocks > device.blocks - extent.lba;
}

bool is_write_protected(const UnitState& state) {
  return state.modes != nullptr && state.modes->write_protected;
}

Plan media(const Request& request, Extent extent, Plan::Kind kind) {
  const Device& device = *request.device;
  if (kind == Plan::Kind::kWriteMedia && is_write_protected(request.state)) {
    return fail(kSoftwareWriteProtected);
  }
  if (outside(device, extent)) return fail(kLbaOutOfRange);
  if (extent.blocks > device.max_transfer_blocks) return fail(kInvalidField);
  Plan plan;
  plan.kind = kind;
  plan.offset = extent.lba << device.block_shift;
  plan.length = static_cast<u64>(extent.blocks) << device.block_shift;
  return plan;
}

Extent extent6(const u8* cdb) {
  const u32 blocks = cdb[4];
  return {get_be32(cdb) & 0x1fffff, blocks != 0 ? blocks : 256};
}
Extent extent10(const u8* cdb) { return {get_be32(cdb + 2), get_be16(cdb + 7)}; }
Extent extent12(const u8* cdb) { return {get_be32(cdb + 2), get_be32(cdb + 6)}; }
Extent extent16(const u8* cdb) { return {get_be64(cdb + 2), get_be32(cdb + 10)}; }

template <Extent (*Decode)(const u8*), Plan::Kind Kind>
Plan access(const Request& request) {
  return media(request, Decode(request.cdb), Kind);
}
constexpr auto kRead = Plan::Kind::kReadMedia;
constexpr auto kWrite = Plan::Kind::kWriteMedia;

// Nothing is cached, so only the range is checked; 0 blocks means "to the end".
template <Extent (*Decode)(const u8*)>
Plan synchronize_cache(const Request& request) {
  return outside(*request.device, Decode(request.cdb)) ? fail(kLbaOutOfRange) : Plan{};
}

// ---- Capacity ----

Plan read_capacity10(const Request& request) {
  const u64 last = request.device->blocks - 1;
  put_be32(request.response, last > 0xffffffff ? 0xffffffff : static_cast<u32>(last));
  put_be32(request.response + 4, 1U << request.device->block_shift);
  return respond(8, 8);
}

Plan read_capacity16(const Request& request) {
  put_be64(request.response, request.device->blocks - 1);
  put_be32(request.response + 8, 1U << request.device->block_shift);
  return respond(32, get_be32(request.cdb + 10));
}

// ---- INQUIRY ----

Plan standard_inquiry(const Request& request) {
  constexpr u32 kLength = 74;
  // SAM-5, iSCSI, SPC-4, SBC-3, no version claimed of any.
  constexpr u16 kVersions[] = {0x00a0, 0x0960, 0x0460, 0x04c0};
  u8* r = request.response;
  const Device* d = request.device;
  r[0] = d != nullptr ? 0x00 : 0x7f;  // absent: qualifier 3, type unknown
  r[2] = 0x06;                        // SPC-4
  r[3] = 0x12;                        // HISUP, response data format 2
  r[4] = kLength - 5;
  r[7] = 0x02;  // CMDQUE
  const Device* names = d != nullptr ? d : request.luns.devices[0];
  __builtin_memcpy(r + 8, names->vendor, sizeof(names->vendor));
  __builtin_memcpy(r + 16, names->product, sizeof(names->product));
  __builtin_memcpy(r + 32, names->revision, sizeof(names->revision));
  u8* version = r + 58;
  for (const u16 descriptor : kVersions) {
    put_be16(version, descriptor);
    version += 2;
  }
  return respond(kLength, get_be16(request.cdb + 3));
}

u32 vpd_serial(const Device& device, u8* page) {
  const u32 length = Text(device.serial).size();
  __builtin_memcpy(page, device.serial, length);
  return length;
}

// Writes one designator, its header included; returns its length.
u32 designator(u8* at, u8 code_set, u8 association_type, const void* value, u32 length,
               u32 padded) {
  at[0] = code_set;
  at[1] = association_type;
  at[3] = static_cast<u8>(padded);
  __builtin_memcpy(at + 4, value, length);
  return 4 + padded;
}

u32 vpd_identification(const Device& device, u8* page) {
  constexpr u8 kBinary = 1, kAscii = 2, kUtf8Iscsi = 0x53;  // 0x5: protocol iSCSI
  constexpr u8 kUnitNaa = 0x03, kUnitT10 = 0x01, kTargetName = 0xa8;
  u8 naa[8];
  put_be64(naa, device.naa);
  u32 length = designator(page, kBinary, kUnitNaa, naa, sizeof(naa), sizeof(naa));

  char t10[sizeof(device.vendor) + kSerialMax];
  const u32 serial = Text(device.serial).size();
  __builtin_memcpy(t10, device.vendor, sizeof(device.vendor));
  __builtin_memcpy(t10 + sizeof(device.vendor), device.serial, serial);
  const u32 t10_length = static_cast<u32>(sizeof(device.vendor)) + serial;
  length += designator(page + length, kAscii, kUnitT10, t10, t10_length, t10_length);

  // A SCSI name string ends with a NUL and is padded to a multiple of four.
  const u32 name = Text(device.target_name).size();
  length += designator(page + length, kUtf8Iscsi, kTargetName, device.target_name, name,
                       (name + 4) & ~3U);
  return length;
}

u32 vpd_block_limits(const Device& device, u8* page) {
  put_be32(page + 4, device.max_transfer_blocks);
  put_be32(page + 8, device.optimal_transfer_blocks);
  return 0x3c;
}

u32 vpd_block_characteristics(const Device&, u8* page) {
  put_be16(page, 1);  // non-rotating medium
  return 0x3c;
}

// No thresholds, no unmapping: a fully provisioned unit.
u32 vpd_provisioning(const Device&, u8*) { return 4; }

u32 vpd_supported(const Device& device, u8* page);

struct VpdPage {
  u8 code;
  u32 (*write)(const Device& device, u8* page);  // returns the page length
};
constexpr VpdPage kVpdPages[] = {
    {0x00, vpd_supported},
    {0x80, vpd_serial},
    {0x83, vpd_identification},
    {0xb0, vpd_block_limits},
    {0xb1, vpd_block_characteristics},
    {0xb2, vpd_provisioning},
};

u32 vpd_supported(const Device&, u8* page) {
  u32 count = 0;
  for (const VpdPage& known : kVpdPages)
    page[count++] = known.code;
  return count;
}

Plan inquiry(const Request& request) {
  const bool vital_product_data = (request.cdb[1] & 1) != 0;
  const u8 code = request.cdb[2];
  if (!vital_product_data) return code != 0 ? fail(kInvalidField) : standard_inquiry(request);
  if (request.device == nullptr) return fail(kNoSuchUnit);
  for (const VpdPage& page : kVpdPages) {
    if (page.code != code) continue;
    const u32 length = page.write(*request.device, request.response + 4);
    request.response[1] = code;
    put_be16(request.response + 2, length);
    return respond(4 + length, get_be16(request.cdb + 3));
  }
  return fail(kInvalidField);
}

// ---- REPORT LUNS, REQUEST SENSE ----

Plan report_luns(const Request& request) {
  enum : u8 { kAllButWellKnown = 0, kWellKnown = 1, kAll = 2 };
  const u8 select = request.cdb[2];
  if (select > kAll) return fail(kInvalidField);
  u32 length = 8;
  for (u32 lun = 0; lun < request.luns.count && select != kWellKnown; ++lun) {
    request.response[length + 1] = static_cast<u8>(lun);  // peripheral device addressing
    length += 8;
  }
  put_be32(request.response, length - 8);
  return respond(length, get_be32(request.cdb + 6));
}

// Writes sense data; returns its length.
u32 put_sense(Sense sense, bool descriptor_format, u8* r) {
  if (descriptor_format) {
    r[0] = 0x72;
    r[1] = sense.key;
    r[2] = sense.asc;
    r[3] = sense.ascq;
    return 8;
  }
  r[0] = 0x70;
  r[2] = sense.key;
  r[7] = 10;
  r[12] = sense.asc;
  r[13] = sense.ascq;
  return 18;
}

// Sense data goes with each status, so there is none left to ask for but a unit attention
// condition, which is over when it has been reported.
Plan request_sense(const Request& request) {
  const bool descriptor_format = (request.cdb[1] & 1) != 0;
  const bool present = request.device != nullptr;
  const Sense sense = present ? request.state.attention : kNoSuchUnit;
  Plan plan = respond(put_sense(sense, descriptor_format, request.response), request.cdb[4]);
  plan.tells_attention = present && sense.key != 0;
  return plan;
}

// ---- MODE SENSE, MODE SELECT ----

template <bool Ten>
Plan mode_sense(const Request& request) {
  const u8* cdb = request.cdb;
  u32 length = 0;
  const Sense sense =
      sense_modes(*request.device, request.state.modes, cdb, request.response, &length);
  if (sense.key != 0) return fail(sense);
  return respond(length, Ten ? get_be16(cdb + 7) : cdb[4]);
}

// Pages have the form of the standard (PF). SP is not in the usage data: nothing can be saved.
template <bool Ten>
Plan mode_select(const Request& request) {
  constexpr u8 kPageFormat = 0x10;
  const u8* cdb = request.cdb;
  const u32 length = Ten ? get_be16(cdb + 7) : cdb[4];
  if ((cdb[1] & kPageFormat) == 0) return fail(kInvalidField);
  if (length > kResponseMax) return fail(kParameterListLength);
  Plan plan;
  if (length == 0) return plan;
  plan.kind = Plan::Kind::kParameters;
  plan.length = length;
  return plan;
}

// ---- START STOP UNIT ----

// The medium is neither removable nor stoppable; what asks for that is refused, the rest ignored.
Plan start_stop_unit(const Request& request) {
  const bool load_eject = (request.cdb[4] & 0x02) != 0;
  const bool power_condition = (request.cdb[4] & 0xf0) != 0;
  return load_eject || power_condition ? fail(kInvalidField) : Plan{};
}

Plan report_opcodes(const Request& request);

// ---- The command table ----

constexpr int kNoAction = -1;

// Usage has a one for each CDB bit the device looks at or lets pass, as REPORT SUPPORTED OPERATION
// CODES shows it. A CDB with any other bit set is refused before its handler sees it.
struct Command {
  u8 opcode;
  int action;    // service action, kNoAction for an opcode that has none
  u8 traits;     // kResponds, kAlways, kSelects
  u8 length;     // bytes of the CDB
  u8 usage[16];  // [0] repeats the opcode
  Plan (*run)(const Request& request);
};
constexpr u8 kPlain = 0;
constexpr u8 kResponds = 1;  // writes parameter data, so the response buffer is zeroed before
constexpr u8 kAlways = 2;    // answers for absent units, and despite a unit attention condition
constexpr u8 kSelects = 4;   // for drivers whose mode parameters can be changed

#define BE16 0xff, 0xff
#define BE32 BE16, BE16
#define BE64 BE32, BE32
constexpr Command kCommands[] = {
    // TEST UNIT READY
    {0x00, kNoAction, kPlain, 6, {0x00}, good},
    // REQUEST SENSE
    {0x03, kNoAction, kResponds | kAlways, 6, {0x03, 0x01, 0, 0, 0xff}, request_sense},
    // READ(6), WRITE(6)
    {0x08, kNoAction, kPlain, 6, {0x08, 0x1f, BE16, 0xff}, access<extent6, kRead>},
    {0x0a, kNoAction, kPlain, 6, {0x0a, 0x1f, BE16, 0xff}, access<extent6, kWrite>},
    // INQUIRY
    {0x12, kNoAction, kResponds | kAlways, 6, {0x12, 0x01, 0xff, BE16}, inquiry},
    // MODE SELECT(6), MODE SENSE(6)
    {0x15, kNoAction, kSelects, 6, {0x15, 0x10, 0, 0, 0xff}, mode_select<false>},
    {0x1a, kNoAction, kResponds, 6, {0x1a, 0x08, 0xff, 0xff, 0xff}, mode_sense<false>},
    // START STOP UNIT
    {0x1b, kNoAction, kPlain, 6, {0x1b, 0x01, 0, 0x0f, 0xf7}, start_stop_unit},
    // PREVENT ALLOW MEDIUM REMOVAL
    {0x1e, kNoAction, kPlain, 6, {0x1e, 0, 0, 0, 0x01}, good},
    // READ CAPACITY(10)
    {0x25, kNoAction, kResponds, 10, {0x25, 0, BE32, 0, 0, 0x01}, read_capacity10},
    // READ(10), WRITE(10)
    {0x28, kNoAction, kPlain, 10, {0x28, kDpoFua, BE32, kGroup, BE16}, access<extent10, kRead>},
    {0x2a, kNoAction, kPlain, 10, {0x2a, kDpoFua, BE32, kGroup, BE16}, access<extent10, kWrite>},
    // WRITE AND VERIFY(10)
    {0x2e, kNoAction, kPlain, 10, {0x2e, kDpoBytchk, BE32, kGroup, BE16}, access<extent10, kWrite>},
    // SYNCHRONIZE CACHE(10)
    {0x35, kNoAction, kPlain, 10, {0x35, 0x06, BE32, kGroup, BE16}, synchronize_cache<extent10>},
    // MODE SELECT(10), MODE SENSE(10)
    {0x55, kNoAction, kSelects, 10, {0x55, 0x10, 0, 0, 0, 0, 0, BE16}, mode_select<true>},
    {0x5a, kNoAction, kResponds, 10, {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, BE16}, mode_sense<true>},
    // READ(16), WRITE(16)
    {0x88, kNoAction, kPlain, 16, {0x88, kDpoFua, BE64, BE32, kGroup}, access<extent16, kRead>},
    {0x8a, kNoAction, kPlain, 16, {0x8a, kDpoFua, BE64, BE32, kGroup}, access<extent16, kWrite>},
    // WRITE AND VERIFY(16)
    {0x8e, kNoAction, kPlain, 16, {0x8e, kDpoBytchk, BE64, BE32, kGroup}, access<extent16, kWrite>},
    // SYNCHRONIZE CACHE(16)
    {0x91, kNoAction, kPlain, 16, {0x91, 0x06, BE64, BE32, kGroup}, synchronize_cache<extent16>},
    // READ CAPACITY(16)
    {0x9e, 0x10, kResponds, 16, {0x9e, kServiceAction, BE64, BE32, 0x01}, read_capacity16},
    // REPORT LUNS
    {0xa0, kNoAction, kResponds | kAlways, 12, {0xa0, 0, 0xff, 0, 0, 0, BE32}, report_luns},
    // REPORT SUPPORTED OPERATION CODES
    {0xa3, 0x0c, kResponds, 12, {0xa3, kServiceAction, 0x87, 0xff, BE16, BE32}, report_opcodes},
    // READ(12), WRITE(12)
    {0xa8, kNoAction, kPlain, 12, {0xa8, kDpoFua, BE32, BE32, kGroup}, access<extent12, kRead>},
    {0xaa, kNoAction, kPlain, 12, {0xaa, kDpoFua, BE32, BE32, kGroup}, access<extent12, kWrite>},
    // WRITE AND VERIFY(12)
    {0xae, kNoAction, kPlain, 12, {0xae, kDpoBytchk, BE32, BE32, kGroup}, access<extent12, kWrite>},
};
#undef BE64
#undef BE32
#undef BE16

bool has_actions(u8 opcode) {
  for (const Command& command : kCommands) {
    if (command.opcode == opcode && command.action != kNoAction) return true;
  }
  return false;
}

bool is_offered(const UnitState& state, const Command& command) {
  return (command.traits & kSelects) == 0 || state.modes != nullptr;
}

const Command* find_command(const UnitState& state, u8 opcode, int action) {
  for (const Command& command : kCommands) {
    if (command.opcode != opcode || command.action != action) continue;
    return is_offered(state, command) ? &command : nullptr;
  }
  return nullptr;
}

bool knows_opcode(const UnitState& state, u8 opcode) {
  return has_actions(opcode) || find_command(state, opcode, kNoAction);
}

bool has_unused_bits(const Command& command, const u8* cdb) {
  for (u32 i = 1; i < command.length; ++i) {
    if ((cdb[i] & ~command.usage[i]) != 0) return true;
  }
  return false;
}

// ---- REPORT SUPPORTED OPERATION CODES ----

constexpr u32 kTimeouts = 12;  // bytes of a command timeouts descriptor; ours names no times

u32 put_timeouts(u8* at) {
  put_be16(at, kTimeouts - 2);
  return kTimeouts;
}

Plan report_all_opcodes(const Request& request, bool timeouts, u32 allocation_length) {
  u8* at = request.response + 4;
  for (const Command& command : kCommands) {
    if (!is_offered(request.state, command)) continue;
    const bool action = command.action != kNoAction;
    at[0] = command.opcode;
    put_be16(at + 2, action ? static_cast<u32>(command.action) : 0);
    at[5] = static_cast<u8>((timeouts ? 0x02 : 0) | (action ? 0x01 : 0));
    put_be16(at + 6, command.length);
    at += 8;
    if (timeouts) at += put_timeouts(at);
  }
  const u32 length = static_cast<u32>(at - request.response);
  put_be32(request.response, length - 4);
  return respond(length, allocation_length);
}

Plan report_one_opcode(const Request& request, const Command* command, bool timeouts,
                       u32 allocation_length) {
  enum : u8 { kNotSupported = 1, kSupported = 3 };
  u8* r = request.response;
  if (command == nullptr) {
    r[1] = kNotSupported;
    return respond(4, allocation_length);
  }
  r[1] = static_cast<u8>((timeouts ? 0x80 : 0) | kSupported);
  put_be16(r + 2, command->length);
  __builtin_memcpy(r + 4, command->usage, command->length);
  // Of a service action field the usage map shows the action itself.
  if (command->action != kNoAction) r[5] = static_cast<u8>(command->action);
  u32 length = 4U + command->length;
  if (timeouts) length += put_timeouts(r + length);
  return respond(length, allocation_length);
}

Plan report_opcodes(const Request& request) {
  enum : u8 { kAllCommands = 0, kOneOpcode = 1, kOneAction = 2, kEither = 3 };
  const u8* cdb = request.cdb;
  const bool timeouts = (cdb[2] & 0x80) != 0;
  const u8 opcode = cdb[3];
  const int action = get_be16(cdb + 4);
  const u32 allocation_length = get_be32(cdb + 6);
  const bool with_action = has_actions(opcode);
  const Command* command = find_command(request.state, opcode, with_action ? action : kNoAction);

  switch (cdb[2] & 0x07) {
    case kAllCommands:
      return report_all_opcodes(request, timeouts, allocation_length);
    case kOneOpcode:
      if (with_action) return fail(kInvalidField);
      break;
    case kOneAction:
      if (knows_opcode(request.state, opcode) && !with_action) return fail(kInvalidField);
      break;
    case kEither:
      if (!with_action && action != 0) command = nullptr;
      break;
    default:
      return fail(kInvalidField);
  }
  return report_one_opcode(request, command, timeouts, allocation_length);
}

// The command is not run (SAM-5 section 5.14).
Plan tell_attention(Sense attention) {
  Plan plan = fail(attention);
  plan.tells_attention = true;
  return plan;
}

}  // namespace

Plan plan_command(const DeviceList& luns, u32 lun, const u8* cdb, u8* response,
                  const UnitState& state) {
  const Request request{luns, luns.find(lun), cdb, response, state};
  const bool with_action = has_actions(cdb[0]);
  const Command* command =
      find_command(state, cdb[0], with_action ? cdb[1] & kServiceAction : kNoAction);
  if (command == nullptr || (command->traits & kAlways) == 0) {
    if (request.device == nullptr) return fail(kNoSuchUnit);
    if (state.attention.key != 0) return tell_attention(state.attention);
  }
  if (command == nullptr) return fail(with_action ? kInvalidField : kInvalidOpcode);
  if (has_unused_bits(*command, cdb)) return fail(kInvalidField);
  if ((command->traits & kResponds) != 0) __builtin_memset(response, 0, kResponseMax);
  return command->run(request);
}

Transfer fit_transfer(const Plan& plan, u32 expected, bool is_write) {
  Transfer transfer;
  const bool wants_write = plan.writes();
  u64 length = plan.kind == Plan::Kind::kNothing || plan.failed() ? 0 : plan.length;
  // With no data expected there is no direction to be wrong about.
  if (length != 0 && expected != 0 && wants_write != is_write) {
    // Nothing can move. A read is done all the same; a write that wrote nothing has failed.
    if (wants_write) transfer.sense = kWrongDirection;
    length = 0;
  } else if (plan.kind == Plan::Kind::kParameters && expected < length) {
    // A list that is cut somewhere means nothing.
    transfer.sense = kParameterListLength;
    length = 0;
  }
  transfer.length = static_cast<u32>(min(length, static_cast<u64>(expected)));
  if (length > expected) {
    transfer.flag = SC_FLAG_XFER_OVERFLOW;
    transfer.residual = static_cast<u32>(length - expected);
  } else if (length < expected) {
    transfer.flag = SC_FLAG_XFER_UNDERFLOW;
    transfer.residual = static_cast<u32>(expected - length);
  }
  return transfer;
}

void put_padded(char* field, u32 size, Text text) {
  for (u32 i = 0; i < size; ++i)
    field[i] = i < text.size() ? text[i] : ' ';
}

u64 hash_text(Text text) {
  u64 hash = 0xcbf29ce484222325;
  for (u32 i = 0; i < text.size(); ++i) {
    hash = (hash ^ static_cast<u8>(text[i])) * 0x100000001b3;
  }
  return hash;
}

}  // namespace iface
