// SPDX-License-Identifier: GPL-2.0-only
//
// Looking up a command in the rows of all themes.
#include "target/scsi/command_table.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint32_t kNoAllocationLength = 0xffffffff;

const CommandInfo* find_among(Span<const CommandInfo> rows, const Cdb& cdb, const Lun* lun,
                              Sense* sense) {
  for (const CommandInfo& info : rows) {
    if (info.opcode != cdb.opcode()) continue;
    if (!is_offered(info, lun)) continue;
    if (!info.has_service_action() || info.service_action == cdb.service_action()) return &info;
    *sense = wrong_cdb_field(1, 4);
  }
  return nullptr;
}

}  // namespace

uint32_t CdbField::value(const Cdb& cdb) const {
  uint32_t value = 0;
  for (uint8_t i = 0; i < size; ++i)
    value = value << 8 | cdb.u8(at + i);
  return value;
}

uint32_t CommandInfo::allocation_length(const Cdb& cdb) const {
  return allocation.exists() ? allocation.value(cdb) : kNoAllocationLength;
}

size_t command_count() {
  return target_commands().size() + medium_commands().size() + copy_commands().size();
}

const CommandInfo& command_at(size_t index) {
  for (const Span<const CommandInfo> rows : {target_commands(), medium_commands()}) {
    if (index < rows.size()) return rows[index];
    index -= rows.size();
  }
  return copy_commands()[index];
}

bool is_offered(const CommandInfo& info, const Lun* lun) {
  if (lun == nullptr) return true;
  if (info.needs_writable && lun->is_read_only()) return false;
  return lun->has_flags(info.needs_flags) && (!info.is_medium() || lun->runs(info.medium->command));
}

Sense check_reserved_bits(const CommandInfo& info, const Cdb& cdb) {
  for (uint8_t i = 1; i + 1 < info.usage_size; ++i) {
    const auto known = static_cast<uint8_t>(info.usage[i] | info.allowed[i]);
    const auto unknown = static_cast<uint8_t>(cdb.u8(i) & ~known);
    if (unknown != 0) return wrong_cdb_bits(i, unknown);
  }
  return kNoSense;
}

const CommandInfo* find_command(const Cdb& cdb, const Lun* lun, Sense* sense) {
  *sense = lun != nullptr ? kInvalidOpcode : kNoSuchLun;
  const CommandInfo* info = find_among(medium_commands(), cdb, lun, sense);
  if (info == nullptr) info = find_among(target_commands(), cdb, lun, sense);
  return info != nullptr ? info : find_among(copy_commands(), cdb, lun, sense);
}

}  // namespace chiscsi::scsi
