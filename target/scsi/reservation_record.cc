// SPDX-License-Identifier: GPL-2.0-only
//
// Writing and reading of records. See reservation_record.hh.
#include "target/scsi/reservation_record.hh"

#include "os/digest.h"
#include "target/scsi/reply.hh"

namespace chiscsi::scsi {

namespace reservation_record_detail {

constexpr Text kRecordMagic = "CHISCSPR";
constexpr size_t kSizeAt = 12, kChecksumSize = 4;

uint32_t checksum(Bytes bytes) { return ~os_crc32c(~0u, bytes.data(), bytes.size()); }

size_t record_size(const Reservations& reservations, const UnitName& unit) {
  size_t size = 8 + 4 + 4 + 8 + 1 + unit.serial.size() + 1 + unit.target.size() + 4 + 4;
  for (const Reservations::Registrant& registrant : reservations.registrants())
    size += 18 + registrant.nexus.initiator.name.size();
  return size + kChecksumSize;
}

void put_registrant(const Reservations::Registrant& registrant, Reply& record) {
  const Nexus& nexus = registrant.nexus;
  record.be64(registrant.key).bytes(nexus.initiator.isid).be16(nexus.target_port);
  record.u8(registrant.holds ? 1 : 0).u8(static_cast<uint8_t>(nexus.initiator.name.size()));
  record.bytes(nexus.initiator.name.text().bytes());
}

// Reads from the front; what is not there reads as zeros and is remembered.
class RecordReader {
 public:
  explicit RecordReader(Bytes bytes) : left_(bytes) {}
  Bytes bytes(size_t count) {
    if (left_.size() < count) short_ = true;
    const Bytes part = left_.first(count);
    left_ = left_.skip(count);
    return part;
  }
  uint64_t number(size_t count) {
    uint64_t value = 0;
    for (const uint8_t byte : bytes(count))
      value = value << 8 | byte;
    return short_ ? 0 : value;
  }
  Text text() {
    const Bytes part = bytes(static_cast<size_t>(number(1)));
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  bool is_good() const { return !short_; }
  bool is_at_end() const { return left_.empty(); }

 private:
  Bytes left_;
  bool short_ = false;
};

bool is_whole(Bytes record) {
  if (record.size() < kSizeAt + 4 + kChecksumSize || record.size() > kMaxRecordSize) return false;
  if (!equal_bytes(record.first(kRecordMagic.size()), kRecordMagic.bytes())) return false;
  const Bytes content = record.first(record.size() - kChecksumSize);
  RecordReader end(record.skip(content.size())), head(record.skip(kRecordMagic.size()));
  if (end.number(4) != checksum(content)) return false;
  return head.number(4) == kRecordVersion && head.number(4) == record.size();
}

Status read_registrants(RecordReader& reader, uint64_t count, Reservations& reservations) {
  if (count > Reservations::kMaxRegistrants) return Error::kInvalid;
  for (uint64_t i = 0; i < count; ++i) {
    Reservations::Registrant registrant;
    registrant.key = reader.number(8);
    copy_bytes(registrant.nexus.initiator.isid, reader.bytes(kIsidSize));
    registrant.nexus.target_port = static_cast<uint16_t>(reader.number(2));
    registrant.holds = reader.number(1) != 0;
    const bool fits = registrant.nexus.initiator.name.assign(reader.text());
    if (!fits || !reader.is_good()) return Error::kInvalid;
    CHISCSI_TRY(reservations.restore_registrant(registrant));
  }
  return Status();
}

}  // namespace reservation_record_detail

UnitName unit_name(Text target_name, const LunIdentity& identity) {
  UnitName unit;
  unit.target.assign(target_name);
  unit.serial.assign(identity.serial.text());
  copy_bytes(unit.naa, identity.naa);
  return unit;
}

Buffer encode_record(const Reservations& reservations, const UnitName& unit) {
  using namespace reservation_record_detail;
  Buffer memory = Buffer::allocate(record_size(reservations, unit));
  if (!memory) return memory;
  Reply record(memory.bytes());
  record.bytes(kRecordMagic.bytes()).be32(kRecordVersion);
  record.be32(static_cast<uint32_t>(memory.size())).bytes(unit.naa);
  record.u8(static_cast<uint8_t>(unit.serial.size())).bytes(unit.serial.text().bytes());
  record.u8(static_cast<uint8_t>(unit.target.size())).bytes(unit.target.text().bytes());
  record.u8(static_cast<uint8_t>(reservations.type())).zeros(3);
  record.be32(static_cast<uint32_t>(reservations.registrants().size()));
  for (const Reservations::Registrant& registrant : reservations.registrants())
    put_registrant(registrant, record);
  record.be32(checksum(memory.bytes().first(record.size())));
  return memory;
}

Result<OwnPtr<Reservations>> decode_record(Bytes record, const UnitName& unit) {
  using namespace reservation_record_detail;
  if (!is_whole(record)) return Error::kInvalid;
  RecordReader reader(record.first(record.size() - kChecksumSize).skip(kSizeAt + 4));
  const Bytes naa = reader.bytes(sizeof(unit.naa));
  const Text serial = reader.text(), target = reader.text();
  if (!equal_bytes(naa, unit.naa) || !(serial == unit.serial.text()) ||
      !(target == unit.target.text())) {
    return Error::kStale;
  }
  const auto type = static_cast<uint8_t>(reader.number(1));
  reader.bytes(3);
  const uint64_t count = reader.number(4);
  if (!reader.is_good() || (type != 0 && !is_reservation_type(type))) return Error::kInvalid;
  OwnPtr<Reservations> reservations = CHISCSI_TRY(Reservations::create());
  const Status read = read_registrants(reader, count, *reservations);
  if (read.error() == Error::kNoMemory) return read.error();
  if (!read.is_ok() || !reader.is_at_end()) return Error::kInvalid;
  if (!reservations->restore(static_cast<ReservationType>(type), true)) return Error::kInvalid;
  return reservations;
}

}  // namespace chiscsi::scsi
