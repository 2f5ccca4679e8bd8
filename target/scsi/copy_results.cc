// SPDX-License-Identifier: GPL-2.0-only
//
// The copies of a nexus, and RECEIVE COPY RESULTS. See copy_results.hh.
#include "target/scsi/copy_results.hh"

#include "target/scsi/answers.hh"
#include "target/scsi/copy_list.hh"

namespace chiscsi::scsi {

namespace copy_results_detail {

constexpr uint8_t kStatusInProgress = 0, kStatusGood = 1, kStatusFailed = 2;
constexpr uint64_t kMaxCount = 0xffffffff;
constexpr uint32_t kMaxSegmentBytes = 0xffff0000;  // 65,535 blocks of 64 KiB.
constexpr size_t kFailedStatusAt = 56;

uint8_t copy_status(CopyRecord::State state) {
  if (state == CopyRecord::kRunning) return kStatusInProgress;
  return state == CopyRecord::kGood ? kStatusGood : kStatusFailed;
}

// A count of bytes, KiB, MiB and so on, in the smallest unit in which it fits.
void put_count(uint64_t bytes, Reply& reply) {
  uint8_t unit = 0;
  for (; bytes > kMaxCount; bytes >>= 10)
    ++unit;
  reply.u8(unit).be32(static_cast<uint32_t>(bytes));
}

uint8_t exponent_of(uint32_t power_of_two) {
  uint8_t exponent = 0;
  while (power_of_two >> (exponent + 1) != 0)
    ++exponent;
  return exponent;
}

const CopyRecord* record_of(const Question& question) {
  return question.copies != nullptr ? question.copies->find(question.cdb.u8(2)) : nullptr;
}

}  // namespace copy_results_detail

const CopyRecord* CopyResults::find(uint8_t list_id) const {
  if (!records_) return nullptr;
  for (const CopyRecord& record : records_->all) {
    const bool is_used = record.state != CopyRecord::kUnused && record.is_named;
    if (is_used && record.list_id == list_id) return &record;
  }
  return nullptr;
}

bool CopyResults::is_running(uint8_t list_id) const {
  const CopyRecord* record = find(list_id);
  return record != nullptr && record->state == CopyRecord::kRunning;
}

// The copy before it with this list identifier gives way, or else an unused one or the oldest.
CopyRecord* CopyResults::place_for(bool is_named, uint8_t list_id) {
  CopyRecord* place = nullptr;
  for (CopyRecord& record : records_->all) {
    if (record.state == CopyRecord::kRunning) continue;
    if (is_named && record.is_named && record.list_id == list_id) return &record;
    if (place == nullptr || record.age < place->age) place = &record;
  }
  return place;
}

CopyRecord* CopyResults::begin(bool is_named, uint8_t list_id) {
  if (running_ == kMaxRunning) return nullptr;
  if (!records_ && !(records_ = make<Records>(Alloc::kMaySleep))) return nullptr;
  CopyRecord* record = place_for(is_named, list_id);
  *record = CopyRecord();
  record->state = CopyRecord::kRunning;
  record->is_named = is_named;
  record->list_id = list_id;
  record->age = ++last_age_;
  ++running_;
  return record;
}

void CopyResults::end(CopyRecord& record, uint8_t status, const Sense& sense) {
  --running_;
  record.state = status == kScsiGood ? CopyRecord::kGood : CopyRecord::kFailed;
  record.status = status;
  if (!sense.is_good()) {
    record.sense_size = static_cast<uint8_t>(put_sense(record.sense, sense, false));
  }
  // Nobody can ask for it.
  if (!record.is_named) record = CopyRecord();
}

Sense copy_status_lid1(const Question& question, Reply& reply) {
  using namespace copy_results_detail;
  const CopyRecord* record = record_of(question);
  if (record == nullptr) return wrong_cdb_field(2);
  reply.be32(8).u8(copy_status(record->state)).be16(record->segments);
  put_count(record->bytes, reply);
  return kNoSense;
}

Sense failed_segment_details(const Question& question, Reply& reply) {
  using namespace copy_results_detail;
  const CopyRecord* record = record_of(question);
  if (record == nullptr) return wrong_cdb_field(2);
  reply.be32(0);
  if (record->state != CopyRecord::kFailed) return kNoSense;
  reply.zeros(kFailedStatusAt - 4).u8(record->status).u8(0).be16(record->sense_size);
  reply.bytes(Bytes(record->sense).first(record->sense_size));
  reply.patch32(0, static_cast<uint32_t>(reply.size() - 4));
  return kNoSense;
}

// Lists without an identifier are taken (SNLID). Nothing is held for RECEIVE DATA, and there is no
// inline data.
Sense copy_operating_parameters(const Question& question, Reply& reply) {
  using namespace copy_results_detail;
  constexpr uint8_t kTakesUnnamed = 0x01;
  reply.be32(0).u8(kTakesUnnamed).zeros(3);
  reply.be16(kMaxCopyTargets).be16(kMaxCopySegments).be32(kMaxCopyListLength);
  reply.be32(kMaxSegmentBytes).be32(0).be32(0).be32(0).be16(0);
  reply.be16(CopyResults::kMaxRunning).u8(CopyResults::kMaxRunning);
  reply.u8(exponent_of(question.lun->block_size())).u8(0).u8(0).zeros(3);
  reply.u8(2).u8(kBlockToBlockSegment).u8(kIdentificationTarget);
  reply.patch32(0, static_cast<uint32_t>(reply.size() - 4));
  return kNoSense;
}

// Descriptors of the page (SPC-5 section 7.7.18), each of them a multiple of four bytes long.
void third_party_copy_page(const Question& question, Reply& reply) {
  using namespace copy_results_detail;
  constexpr uint16_t kSupportedCommands = 0x0001, kParameterData = 0x0004;
  constexpr uint16_t kSupportedDescriptors = 0x0008, kGeneralOperations = 0x8001;
  reply.be16(kSupportedCommands).be16(12).u8(8);
  reply.u8(static_cast<uint8_t>(Opcode::kThirdPartyCopyOut)).u8(1).u8(kExtendedCopyLid1);
  reply.u8(static_cast<uint8_t>(Opcode::kThirdPartyCopyIn)).u8(3);
  reply.u8(kCopyStatusLid1).u8(kCopyOperatingParameters).u8(kFailedSegmentDetails).zeros(3);
  reply.be16(kParameterData).be16(28).zeros(4).be16(kMaxCopyTargets).be16(kMaxCopySegments);
  reply.be32(kMaxCopyListLength).be32(0).zeros(12);
  reply.be16(kSupportedDescriptors).be16(4).u8(2);
  reply.u8(kBlockToBlockSegment).u8(kIdentificationTarget).u8(0);
  reply.be16(kGeneralOperations).be16(32).be32(CopyResults::kMaxRunning);
  reply.be32(CopyResults::kMaxRunning).be32(kMaxSegmentBytes);
  const uint8_t granularity =
      question.lun->has_geometry() ? exponent_of(question.lun->block_size()) : 0;
  reply.u8(granularity).u8(0).zeros(18);
}

}  // namespace chiscsi::scsi
