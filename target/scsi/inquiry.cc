// SPDX-License-Identifier: GPL-2.0-only
//
// INQUIRY: standard data (SPC-5 section 6.7).
#include "target/scsi/inquiry.hh"

namespace chiscsi::scsi {

namespace {

constexpr size_t kStandardSize = 96;
constexpr size_t kVersionsAt = 58;
constexpr uint8_t kRemovable = 0x80, kVersionSpc4 = 0x06, kHisupFormat2 = 0x12, kCmdque = 0x02;
constexpr uint8_t kTpgs = 0x30;  // Target port groups, changed explicitly and implicitly.
constexpr uint8_t k3pc = 0x08;   // Third-party copy.

// What is claimed are the published standards before SPC-5 and SBC-4, which initiators know.
// Version descriptors (SPC-5 table 153), none of them for a certain revision.
constexpr uint16_t kSam5 = 0x00a0;
constexpr uint16_t kIscsi = 0x0960;
constexpr uint16_t kSpc4 = 0x0460;
constexpr uint16_t kSbc3 = 0x04c0;

void standard(const Question& question, Reply& reply) {
  const Lun* lun = question.lun;
  const DeviceNames names = names_of(lun, question.vendor);
  const uint8_t third_party = lun != nullptr && takes_copies(*lun) ? kTpgs | k3pc : kTpgs;
  reply.u8(peripheral_of(question)).u8(lun != nullptr && lun->is_removable() ? kRemovable : 0);
  reply.u8(kVersionSpc4).u8(kHisupFormat2).u8(kStandardSize - 5).u8(third_party).u8(0).u8(kCmdque);
  reply.text(names.vendor, kVendorWidth).text(names.product, kProductWidth);
  reply.text(names.revision, kRevisionWidth).zeros(kVersionsAt - reply.size());
  reply.be16(kSam5).be16(kIscsi).be16(kSpc4).be16(kSbc3);
  reply.zeros(kStandardSize - reply.size());
}

}  // namespace

DeviceNames names_of(const Lun* lun, Text vendor) {
  DeviceNames names;
  names.vendor = vendor;
  if (lun == nullptr || !lun->has_geometry()) return names;
  const chiscsi_lun_geometry& given = lun->constants();
  if (given.vendor_id[0] != '\0') names.vendor = given.vendor_id;
  if (given.product_id[0] != '\0') names.product = given.product_id;
  if (given.product_rev[0] != '\0') names.revision = given.product_rev;
  return names;
}

Text product_of(const Lun& lun) { return names_of(&lun, Text()).product; }

Text serial_of(const Lun& lun) {
  const bool from_class =
      !lun.identity().serial_is_given && lun.has_geometry() && lun.constants().serial[0] != '\0';
  return from_class ? Text(lun.constants().serial) : lun.identity().serial.text();
}

Sense inquiry(const Question& question, Reply& reply) {
  const bool vital = question.cdb.bit(1, 0);
  if (vital) return vital_product_data(question, reply);
  if (question.cdb.u8(2) != 0) return wrong_cdb_field(2);
  standard(question, reply);
  return kNoSense;
}

}  // namespace chiscsi::scsi
