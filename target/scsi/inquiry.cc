// SPDX-License-Identifier: GPL-2.0-only
//
// INQUIRY: standard data and vital product data (SPC-5 sections 6.7 and 7.7, SBC-4 section 6.6).
#include "target/scsi/answers.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint8_t kNoDevice = 0x7f;  // Qualifier 011b: not capable of having a device here.
constexpr uint8_t kDisk = 0x00;

constexpr size_t kVendorWidth = 8;
constexpr size_t kProductWidth = 16;
constexpr size_t kRevisionWidth = 4;
constexpr size_t kStandardSize = 96;

// Version descriptors (SPC-5 table 153).
constexpr uint16_t kSam5 = 0x00a0;
constexpr uint16_t kSpc4 = 0x0460;
constexpr uint16_t kSbc3 = 0x04c0;
constexpr uint16_t kIscsi = 0x0960;

enum class Page : uint8_t {
  kSupported = 0x00,
  kSerial = 0x80,
  kIdentification = 0x83,
  kBlockLimits = 0xb0,
  kBlockCharacteristics = 0xb1,
};
constexpr size_t kBlockPageLength = 0x3c;

// Designation descriptors (SPC-5 section 7.7.6).
constexpr uint8_t kBinary = 1, kAscii = 2, kUtf8 = 3;
constexpr uint8_t kLogicalUnit = 0x00, kTargetPort = 0x10, kTargetDevice = 0x20;
constexpr uint8_t kVendorDesignator = 1, kNaaDesignator = 3, kRelativePort = 4, kNameString = 8;
constexpr uint8_t kProtocolIscsi = 0x50, kProtocolValid = 0x80;

uint8_t peripheral(const Question& question) { return question.lun != nullptr ? kDisk : kNoDevice; }

struct Names {
  Text vendor;
  Text product = "CHISCSI Target";
  Text revision = "0001";
};

Names names_of(const Lun* lun, Text vendor) {
  Names names;
  names.vendor = vendor;
  if (lun == nullptr || !lun->has_geometry()) return names;
  const chiscsi_lun_geometry& given = lun->constants();
  if (given.vendor_id[0] != '\0') names.vendor = given.vendor_id;
  if (given.product_id[0] != '\0') names.product = given.product_id;
  if (given.product_rev[0] != '\0') names.revision = given.product_rev;
  return names;
}

void standard(const Question& question, Reply& reply) {
  const Names names = names_of(question.lun, question.vendor);
  reply.u8(peripheral(question)).u8(0).u8(0x06).u8(0x12);  // SPC-4; HISUP, response format 2.
  reply.u8(kStandardSize - 5).u8(0).u8(0).u8(0x02);        // CMDQUE.
  reply.text(names.vendor, kVendorWidth).text(names.product, kProductWidth);
  reply.text(names.revision, kRevisionWidth).zeros(58 - 36);
  reply.be16(kSam5).be16(kIscsi).be16(kSpc4).be16(kSbc3);
  reply.zeros(kStandardSize - reply.size());
}

void supported_pages(const Question& question, Reply& reply) {
  reply.u8(static_cast<uint8_t>(Page::kSupported));
  if (question.lun == nullptr) return;
  for (const Page page :
       {Page::kSerial, Page::kIdentification, Page::kBlockLimits, Page::kBlockCharacteristics})
    reply.u8(static_cast<uint8_t>(page));
}

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

void identification(const Question& question, Reply& reply) {
  const LunIdentity& identity = question.lun->identity();
  descriptor(reply, kBinary, kLogicalUnit | kNaaDesignator, sizeof(identity.naa));
  reply.bytes(identity.naa);
  const Text own = identity.vendor_text.text();
  descriptor(reply, kAscii, kLogicalUnit | kVendorDesignator, kVendorWidth + own.size());
  reply.text(names_of(question.lun, question.vendor).vendor, kVendorWidth).bytes(own.bytes());

  const uint16_t tag = question.portal_group_tag;
  descriptor(reply, kProtocolIscsi | kBinary, kProtocolValid | kTargetPort | kRelativePort, 4);
  reply.be16(0).be16(tag);
  char suffix[] = ",t,0x0000";
  for (size_t i = 0; i < 4; ++i)
    suffix[5 + i] = "0123456789ABCDEF"[(tag >> (12 - 4 * i)) & 0xf];
  name_string(reply, kTargetPort, question.target_name, suffix);
  name_string(reply, kTargetDevice, question.target_name, "");
}

// No limits but the granularity of physical blocks (SBC-4 section 6.6.4).
void block_limits(const Question& question, Reply& reply) {
  const Lun& lun = *question.lun;
  const uint32_t exponent = lun.has_geometry() ? lun.constants().physical_exponent : 0;
  reply.u8(0).u8(0).be16(static_cast<uint16_t>(1u << exponent)).zeros(kBlockPageLength - 4);
}

bool page(const Question& question, Page which, Reply& reply) {
  if (question.lun == nullptr && which != Page::kSupported) return false;
  switch (which) {
    case Page::kSupported:
      supported_pages(question, reply);
      return true;
    case Page::kSerial:
      reply.bytes(serial_of(*question.lun).bytes());
      return true;
    case Page::kIdentification:
      identification(question, reply);
      return true;
    case Page::kBlockLimits:
      block_limits(question, reply);
      return true;
    case Page::kBlockCharacteristics:
      reply.zeros(kBlockPageLength);  // The rotation rate is not reported.
      return true;
  }
  return false;
}

}  // namespace

Text product_of(const Lun& lun) { return names_of(&lun, Text()).product; }

Text serial_of(const Lun& lun) {
  const bool from_class =
      !lun.identity().serial_is_given && lun.has_geometry() && lun.constants().serial[0] != '\0';
  return from_class ? Text(lun.constants().serial) : lun.identity().serial.text();
}

SenseCode inquiry(const Question& question, Reply& reply) {
  const bool vital = question.cdb.bit(1, 0);
  const uint8_t code = question.cdb.u8(2);
  if (!vital) {
    if (code != 0) return kInvalidFieldInCdb;
    standard(question, reply);
    return kNoSense;
  }
  reply.u8(peripheral(question)).u8(code).be16(0);
  if (!page(question, static_cast<Page>(code), reply)) return kInvalidFieldInCdb;
  reply.patch16(2, static_cast<uint16_t>(reply.size() - 4));
  return kNoSense;
}

}  // namespace chiscsi::scsi
