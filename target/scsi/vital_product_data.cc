// SPDX-License-Identifier: GPL-2.0-only
//
// INQUIRY: vital product data (SPC-5 section 7.7, SBC-4 section 6.6). One row per page.
#include "target/config/target_settings.hh"
#include "target/lun/provisioning.hh"
#include "target/scsi/inquiry.hh"

namespace chiscsi::scsi {

namespace {

// ---- 80h: unit serial number ----

void serial_page(const Question& question, Reply& reply) {
  reply.bytes(serial_of(*question.lun).bytes());
}

// ---- 83h: device identification, 88h: SCSI ports ----

constexpr uint8_t kBinary = 1, kAscii = 2, kUtf8 = 3;
constexpr uint8_t kLogicalUnit = 0x00, kTargetPort = 0x10, kTargetDevice = 0x20;
constexpr uint8_t kVendorDesignator = 1, kNaaDesignator = 3, kRelativePort = 4, kNameString = 8;
constexpr uint8_t kPortGroup = 5;
constexpr uint8_t kProtocolIscsi = 0x50, kProtocolValid = 0x80;

void descriptor(Reply& reply, uint8_t code_set, uint8_t kind, size_t length) {
  reply.u8(code_set).u8(kind).u8(0).u8(static_cast<uint8_t>(length));
}

// A name with a NUL at the end and more of them up to a multiple of four.
void name_string(Reply& reply, uint8_t association, Text name, Text suffix) {
  const size_t size = name.size() + suffix.size();
  const size_t padded = (size + 4) & ~size_t{3};
  descriptor(reply, kProtocolIscsi | kUtf8, kProtocolValid | association | kNameString, padded);
  reply.bytes(name.bytes()).bytes(suffix.bytes()).zeros(padded - size);
}

// The name of a target port: that of the target and the tag of the portal group.
void port_name(const Question& question, uint16_t tag, Reply& reply) {
  char suffix[] = ",t,0x0000";
  for (size_t i = 0; i < 4; ++i)
    suffix[5 + i] = "0123456789ABCDEF"[(tag >> (12 - 4 * i)) & 0xf];
  name_string(reply, kTargetPort, question.target_name, suffix);
}

void identification_page(const Question& question, Reply& reply) {
  const LunIdentity& identity = question.lun->identity();
  descriptor(reply, kBinary, kLogicalUnit | kNaaDesignator, sizeof(identity.naa));
  reply.bytes(identity.naa);
  const Text own = identity.vendor_text.text();
  descriptor(reply, kAscii, kLogicalUnit | kVendorDesignator, kVendorWidth + own.size());
  reply.text(names_of(question.lun, question.vendor).vendor, kVendorWidth).bytes(own.bytes());

  const uint16_t tag = question.portal_group_tag;
  descriptor(reply, kProtocolIscsi | kBinary, kProtocolValid | kTargetPort | kRelativePort, 4);
  reply.be16(0).be16(tag);
  descriptor(reply, kProtocolIscsi | kBinary, kProtocolValid | kTargetPort | kPortGroup, 4);
  reply.be16(0).be16(tag);
  port_name(question, tag, reply);
  name_string(reply, kTargetDevice, question.target_name, "");
}

void port(const Question& question, uint16_t tag, Reply& reply) {
  reply.be16(0).be16(tag).be16(0).be16(0).be16(0);  // No initiator port is named.
  const size_t length_at = reply.size();
  reply.be16(0);
  port_name(question, tag, reply);
  reply.patch16(length_at, static_cast<uint16_t>(reply.size() - length_at - 2));
}

// A portal group is a target port (RFC 7143 section 4.4.1).
void ports_page(const Question& question, Reply& reply) {
  if (question.settings == nullptr) return port(question, question.portal_group_tag, reply);
  for (const PortalGroupSettings& group : question.settings->portal_groups())
    port(question, group.tag, reply);
}

// ---- 86h: extended INQUIRY data ----

// HEADSUP, ORDSUP, SIMPSUP: session/task_sets.hh.
constexpr uint8_t kAttributes = 0x07, kVolatileCache = 0x01, kLuiclr = 0x01;

void extended_page(const Question& question, Reply& reply) {
  reply.u8(0).u8(kAttributes).u8(question.lun->has_write_cache() ? kVolatileCache : 0);
  reply.u8(kLuiclr).zeros(0x3c - 4);
}

// ---- B0h: block limits, B1h: characteristics, B2h: provisioning ----

constexpr size_t kBlockPageLength = 0x3c;
constexpr uint32_t kUgavalid = 0x80000000;

void limits_page(const Question& question, Reply& reply) {
  const Lun& lun = *question.lun;
  const chiscsi_lun_geometry& limits = lun.constants();
  const uint32_t granularity =
      limits.optimal_granularity != 0 ? limits.optimal_granularity : 1u << limits.physical_exponent;
  const bool unmaps = lun.runs(CHISCSI_LUN_RUNS_UNMAP);
  reply.u8(0).u8(limits.compare_and_write_blocks);
  reply.be16(static_cast<uint16_t>(granularity < 0xffff ? granularity : 0xffff));
  reply.be32(limits.max_transfer_blocks).be32(limits.optimal_transfer_blocks).be32(0);
  reply.be32(unmaps ? limits.max_unmap_blocks : 0).be32(unmaps ? limits.max_unmap_ranges : 0);
  reply.be32(limits.unmap_granularity);
  reply.be32(limits.unmap_granularity != 0 ? kUgavalid | limits.unmap_alignment : 0);
  reply.be64(limits.max_write_same_blocks).be32(limits.max_atomic_blocks).zeros(16);
}

void characteristics_page(const Question& question, Reply& reply) {
  // WABEREQ: what was erased is read without an error.
  constexpr uint8_t kReadsAfterErase = 0x40;
  const bool erases = question.lun->runs(CHISCSI_LUN_RUNS_SANITIZE_ERASE);
  reply.be16(question.lun->constants().rotation_rate).u8(0).u8(erases ? kReadsAfterErase : 0);
  reply.zeros(kBlockPageLength - 4);
}

bool has_provisioning(const Lun& lun) { return lun.is_thin() || lun.runs(CHISCSI_LUN_RUNS_UNMAP); }

constexpr uint8_t kLbpu = 0x80, kLbpws = 0x40, kLbpws10 = 0x20, kLbprz = 0x04, kThin = 2;

void provisioning_page(const Question& question, Reply& reply) {
  const Lun& lun = *question.lun;
  const bool unmaps = lun.runs(CHISCSI_LUN_RUNS_UNMAP);
  const bool by_write_same = unmaps && lun.runs(CHISCSI_LUN_RUNS_WRITE_SAME);
  reply.u8(threshold_exponent(lun));
  reply.u8(static_cast<uint8_t>((unmaps ? kLbpu : 0) | (by_write_same ? kLbpws | kLbpws10 : 0) |
                                (lun.reads_unmapped_as_zero() ? kLbprz : 0)));
  reply.u8(lun.is_thin() ? kThin : 0).u8(0);
}

// ---- All of them ----

void list_page(const Question& question, Reply& reply);

struct VitalPage {
  uint8_t code;
  void (*write)(const Question& question, Reply& reply);
  bool (*is_there)(const Lun& lun);  // Null: always.
};

constexpr VitalPage kVitalPages[] = {
    {0x00, list_page, nullptr},
    {0x80, serial_page, nullptr},
    {0x83, identification_page, nullptr},
    {0x86, extended_page, nullptr},
    {0x88, ports_page, nullptr},
    {0x8f, third_party_copy_page, takes_copies},
    {0xb0, limits_page, nullptr},
    {0xb1, characteristics_page, nullptr},
    {0xb2, provisioning_page, has_provisioning},
};

// Where there is no LUN, that is all there is to say.
bool is_there(const VitalPage& page, const Lun* lun) {
  if (lun == nullptr) return page.code == 0;
  return page.is_there == nullptr || page.is_there(*lun);
}

void list_page(const Question& question, Reply& reply) {
  for (const VitalPage& page : kVitalPages) {
    if (is_there(page, question.lun)) reply.u8(page.code);
  }
}

}  // namespace

Sense vital_product_data(const Question& question, Reply& reply) {
  const uint8_t code = question.cdb.u8(2);
  for (const VitalPage& page : kVitalPages) {
    if (page.code != code || !is_there(page, question.lun)) continue;
    reply.u8(peripheral_of(question)).u8(code).be16(0);
    page.write(question, reply);
    reply.patch16(2, static_cast<uint16_t>(reply.size() - 4));
    return kNoSense;
  }
  return wrong_cdb_field(2);
}

}  // namespace chiscsi::scsi
