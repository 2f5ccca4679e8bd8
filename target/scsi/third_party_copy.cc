// SPDX-License-Identifier: GPL-2.0-only
//
// EXTENDED COPY, from its list to its end. See third_party_copy.hh.
#include "target/scsi/third_party_copy.hh"

#include <atomic>

#include "os/storage.h"
#include "target/engine.hh"
#include "target/scsi/driver_port.hh"
#include "target/scsi/inquiry.hh"
#include "target/scsi/scsi_layer.hh"
#include "target/session/session.hh"

namespace chiscsi::scsi {

namespace third_party_copy_detail {

constexpr uint32_t kBufferSize = 512 * 1024;
constexpr uint32_t kPartOfData = 8;  // Of what data of commands may take.
constexpr SenseCode kThirdPartyFailure{0x0a, 0x0d, 0x01};
constexpr SenseCode kIncorrectType{0x0a, 0x0d, 0x03};
constexpr SenseCode kDataUnderrun{0x0a, 0x0d, 0x04};
constexpr SenseCode kUnreachableTarget{0x0a, 0x08, 0x04};
constexpr SenseCode kInvalidCopyField{0x0a, 0x26, 0x00};
constexpr SenseCode kOperationInProgress{0x05, 0x00, 0x16};
constexpr uint8_t kSourceAt = 4, kDestinationAt = 6;
constexpr uint8_t kNaaKind = 3, kVendorKind = 1, kBinaryCode = 1, kAsciiCode = 2;

// A field of a target descriptor, as an offset within the list.
Sense at_target(SenseCode code, const CopyTarget& target, uint8_t byte) {
  Sense sense(code);
  sense.field.place = FieldPointer::kParameters;
  sense.field.byte = static_cast<uint16_t>(target.at + byte);
  return sense;
}

// One of the two designators of the device identification page that name a logical unit.
bool names_lun(const CopyTarget& target, const Lun& lun, Text vendor) {
  const LunIdentity& identity = lun.identity();
  if (target.kind == kNaaKind && target.code_set == kBinaryCode) {
    return equal_bytes(target.designator, identity.naa);
  }
  if (target.kind != kVendorKind || target.code_set != kAsciiCode) return false;
  uint8_t own[kVendorWidth + sizeof(LunIdentity::vendor_text)];
  Reply reply{MutableBytes(own)};
  reply.text(names_of(&lun, vendor).vendor, kVendorWidth);
  reply.bytes(identity.vendor_text.text().bytes());
  return equal_bytes(target.designator, Bytes(own).first(reply.size()));
}

// What the sense data of a command of ours says; it may have either format.
SenseCode code_of(const uint8_t* sense) {
  const bool has_descriptors = (sense[0] & 0x7f) >= 0x72;
  if (has_descriptors) return {static_cast<uint8_t>(sense[1] & 0xf), sense[2], sense[3]};
  return {static_cast<uint8_t>(sense[2] & 0xf), sense[12], sense[13]};
}

void put_lun(uint32_t number, uint8_t (&lun)[8]) {
  constexpr uint32_t kPeripheralNumbers = 256;
  constexpr uint8_t kFlat = 0x40;
  __builtin_memset(lun, 0, sizeof(lun));
  if (number >= kPeripheralNumbers) lun[0] = static_cast<uint8_t>(kFlat | number >> 8);
  lun[1] = static_cast<uint8_t>(number);
}

void put_cdb(const CopyTransfer& transfer, uint8_t (&cdb)[kCdbSize]) {
  const bool writes = transfer.kind == CopyTransfer::kWrite;
  __builtin_memset(cdb, 0, sizeof(cdb));
  cdb[0] = static_cast<uint8_t>(writes ? Opcode::kWrite16 : Opcode::kRead16);
  for (size_t i = 0; i < 8; ++i)
    cdb[2 + i] = static_cast<uint8_t>(transfer.first >> (56 - 8 * i));
  for (size_t i = 0; i < 4; ++i)
    cdb[10 + i] = static_cast<uint8_t>(transfer.blocks >> (24 - 8 * i));
}

std::atomic<uint64_t> bytes_of_all{0};  // Buffers of the copies of all sessions.

bool take_buffer() {
  const uint64_t before = bytes_of_all.fetch_add(kBufferSize, std::memory_order_relaxed);
  if (before + kBufferSize <= os_chunk_limit() / kPartOfData) return true;
  bytes_of_all.fetch_sub(kBufferSize, std::memory_order_relaxed);
  return false;
}

}  // namespace third_party_copy_detail

ThirdPartyCopy::~ThirdPartyCopy() {
  using namespace third_party_copy_detail;
  if (is_counted_) bytes_of_all.fetch_sub(kBufferSize, std::memory_order_relaxed);
}

bool ThirdPartyCopy::prepare() {
  is_counted_ = third_party_copy_detail::take_buffer();
  if (!is_counted_) return false;
  memory_ = Buffer::allocate(third_party_copy_detail::kBufferSize);
  if (!memory_) return false;
  const bool is_named = list_.id_usage() != ListIdUsage::kNone;
  record_ = command_.session.copies.begin(is_named, list_.id());
  return record_ != nullptr;
}

// ---- Segments ----

// The first LUN that the initiator may reach, that leaves SCSI to the target, and has this name.
Sense ThirdPartyCopy::find_lun(const CopyTarget& target, Party* party) const {
  using namespace third_party_copy_detail;
  if (target.is_null) return at_target(kCopyTargetNotReachable, target, 1);
  if (target.device_type != 0) return at_target(kIncorrectType, target, 1);
  Session& session = command_.session;
  const Ref<GlobalSettings> globals = session.engine().globals().get();
  const Span<const Ref<Lun>> list = session.luns().list();
  for (uint32_t number = 0; number < list.size(); ++number) {
    const Lun& lun = *list[number];
    if (lun.passes_all_commands() || !session.rights().may_reach(number)) continue;
    if (!names_lun(target, lun, globals->vendor_id())) continue;
    party->number = number;
    party->device = Ref<UnitState>::share(&lun.state());
    party->is_known = true;
    return kNoSense;
  }
  return at_target(kCopyTargetNotReachable, target, 8);
}

// `field` of the segment descriptor has the index.
Sense ThirdPartyCopy::look_up(uint16_t index, uint8_t field) {
  using namespace third_party_copy_detail;
  if (index >= list_.targets()) {
    Sense sense(kUnreachableTarget);
    sense.field = {FieldPointer::kSegment, FieldPointer::kWholeByte, field};
    return sense;
  }
  Party& party = parties_[index];
  return party.is_known ? Sense() : find_lun(list_.target(index), &party);
}

Sense ThirdPartyCopy::describe(uint16_t index, SegmentWalk::Device* device) const {
  using namespace third_party_copy_detail;
  const CopyTarget target = list_.target(index);
  const Party& party = parties_[index];
  const Lun* lun = command_.session.luns().find(party.number);
  const bool is_there =
      lun != nullptr && !lun->passes_all_commands() && &lun->state() == party.device.get();
  if (!is_there || !lun->has_geometry()) return at_target(kCopyTargetNotReachable, target, 8);
  if (target.block_size != lun->block_size()) return at_target(kInvalidCopyField, target, 29);
  *device = {lun->block_size(), lun->blocks(), lun->constants().max_transfer_blocks, target.pads};
  return kNoSense;
}

// Two units may be of one device. Either may have gone since it was described.
bool ThirdPartyCopy::share_medium(const Party& a, const Party& b) const {
  if (a.device.get() == b.device.get()) return true;
  const LunMap& luns = command_.session.luns();
  const Lun *first = luns.find(a.number), *second = luns.find(b.number);
  if (first == nullptr || second == nullptr) return false;
  const uint64_t medium = first->constants().medium;
  return medium != 0 && medium == second->constants().medium;
}

Sense ThirdPartyCopy::begin_segment() {
  using namespace third_party_copy_detail;
  record_->segments = static_cast<uint16_t>(segment_ + 1);
  const CopySegment segment = list_.segment(segment_);
  SegmentWalk::Context context;
  Sense sense = look_up(segment.source, kSourceAt);
  if (sense.is_good()) sense = look_up(segment.destination, kDestinationAt);
  if (sense.is_good()) sense = describe(segment.source, &context.source);
  if (sense.is_good()) sense = describe(segment.destination, &context.destination);
  if (!sense.is_good()) return sense;
  context.is_same_device = share_medium(parties_[segment.source], parties_[segment.destination]);
  context.is_last = segment_ + 1 == list_.segments();
  in_segment_ = true;
  return walk_.begin(segment, context, held_, memory_.bytes());
}

Sense ThirdPartyCopy::of_segment(Sense sense) const {
  sense.has_segment = true;
  sense.segment = segment_;
  return sense;
}

// A reload has taken away the LUN that was asked to copy: it is closed when the copy has ended.
bool ThirdPartyCopy::has_lost_its_lun() const {
  const Lun* lun = command_.session.luns().find(command_.scsi.sc_lun);
  return lun == nullptr || lun->passes_all_commands() ||
         &lun->state() != &command_.logical_unit->state();
}

void ThirdPartyCopy::advance() {
  if (inner_ != nullptr) {
    if (command_.silent) abort_inner();
    return;
  }
  if (command_.silent) return end(Ending());
  if (!failure_.is_good()) return end(failure_);
  if (has_lost_its_lun()) return end(of_segment(kCopyTargetNotReachable));
  while (true) {
    if (!in_segment_) {
      if (segment_ == list_.segments()) return end(Ending());
      const Sense sense = begin_segment();
      if (!sense.is_good()) return end(of_segment(sense));
    }
    const CopyTransfer transfer = walk_.next();
    if (transfer.kind != CopyTransfer::kNothing) return start(transfer);
    held_ = walk_.held();
    in_segment_ = false;
    ++segment_;
  }
}

// Its command is gone with it, or is on its way out.
void ThirdPartyCopy::end(const Ending& ending) {
  OwnPtr<ThirdPartyCopy> self(this);
  Command& command = command_;
  command.copy = nullptr;
  const uint8_t status = command.silent ? kScsiTaskAborted : ending.status();
  command.session.copies.end(*record_, status, ending.sense());
  scsi_layer::finish(command, ending);
}

// ---- The inner command ----

void ThirdPartyCopy::fill_in(Command& inner, const CopyTransfer& transfer) const {
  using namespace third_party_copy_detail;
  constexpr uint8_t kSimple = 1;
  const bool writes = transfer.kind == CopyTransfer::kWrite;
  const CopySegment segment = list_.segment(segment_);
  inner.flags =
      static_cast<uint8_t>(kSimple | (writes ? iscsi::kCommandWrite : iscsi::kCommandRead));
  inner.initiator_task_tag = command_.initiator_task_tag;
  inner.expected_length = transfer.bytes;
  inner.priority = command_.priority;
  // As old as the command, so that functions on the LUN concern it as well. An immediate command
  // is older than any function that comes after it.
  inner.sequenced.cmd_sn =
      command_.immediate ? command_.sequenced.cmd_sn - 1 : command_.sequenced.cmd_sn;
  put_lun(parties_[writes ? segment.destination : segment.source].number, inner.lun);
  put_cdb(transfer, inner.cdb);
}

void ThirdPartyCopy::start(const CopyTransfer& transfer) {
  Session& session = command_.session;
  Command* inner = session.new_command();
  if (inner == nullptr && session.stock_commands()) inner = session.new_command();
  if (inner == nullptr) return end(Ending::with_status(kScsiBusy));
  inner_ = inner;
  inner->inside = this;
  transfer_ = transfer;
  moved_ = 0;
  command_.member->adopt(*inner);
  fill_in(*inner, transfer);
  inner->set_state(CommandState::kReceiving);
  inner->set_state(CommandState::kReady);
  session.commands.push_back(*inner);
  session.add_work(*inner);
}

bool ThirdPartyCopy::is_meant(const Lun* lun) const {
  const CopySegment segment = list_.segment(segment_);
  const bool writes = transfer_.kind == CopyTransfer::kWrite;
  const Party& party = parties_[writes ? segment.destination : segment.source];
  return lun != nullptr && !lun->passes_all_commands() && &lun->state() == party.device.get();
}

void ThirdPartyCopy::move_data(BufferPhase& phase) {
  const MutableBytes part =
      memory_.bytes().slice(transfer_.at, transfer_.bytes).slice(phase.offset, phase.wire_length);
  SgCursor cursor(phase.list(), 0, part.size());
  const bool writes = transfer_.kind == CopyTransfer::kWrite;
  moved_ += static_cast<uint32_t>(writes ? cursor.copy_in(part) : cursor.copy_out(part));
  phase.done = phase.wire_length;
  command_.session.add_work(*inner_);
}

// What the initiator is to hear of an inner command that has not done its work.
Sense ThirdPartyCopy::failure_of(const Command& inner) const {
  using namespace third_party_copy_detail;
  if (inner.silent || !inner.conclusion_known) return of_segment(kThirdPartyFailure);
  if (inner.scsi_status == kScsiGood) {
    return moved_ == transfer_.bytes ? Sense() : of_segment(kDataUnderrun);
  }
  const bool writes = transfer_.kind == CopyTransfer::kWrite;
  const bool has_sense = inner.scsi_status == kScsiCheckCondition;
  const SenseCode code = has_sense ? code_of(inner.sense + 2) : kNoSense;
  // Sense of ours: the device is not there any more.
  if (has_sense && code == kCopyTargetNotReachable) return of_segment(kCopyTargetNotReachable);
  Sense sense = of_segment(kThirdPartyFailure);
  sense.forwarded = {writes ? ForwardedSense::kDestination : ForwardedSense::kSource,
                     inner.scsi_status, code};
  return sense;
}

void ThirdPartyCopy::inner_over(const Command& inner) {
  inner_ = nullptr;
  failure_ = failure_of(inner);
  if (failure_.is_good()) {
    walk_.done(memory_.bytes());
    if (transfer_.kind == CopyTransfer::kWrite) record_->bytes += transfer_.bytes;
  }
  command_.session.add_work(command_);
}

void ThirdPartyCopy::inner_lost() {
  using namespace third_party_copy_detail;
  inner_->inside = nullptr;
  inner_ = nullptr;
  failure_ = of_segment(kThirdPartyFailure);
  command_.session.add_work(command_);
}

void ThirdPartyCopy::abort_inner() {
  if (!inner_->abort_wanted) driver_port::abort(*inner_, SC_FLAG_TMF_ABORT);
}

// ---- The command ----

Ending extended_copy(const Question&, Bytes parameters, Command& command) {
  using namespace third_party_copy_detail;
  if (parameters.empty()) return Ending();
  CopyList list;
  const Sense sense = list.parse(parameters);
  if (!sense.is_good()) return sense;
  const bool is_named = list.id_usage() != ListIdUsage::kNone;
  if (is_named && command.session.copies.is_running(list.id())) return kOperationInProgress;
  OwnPtr<ThirdPartyCopy> copy = make<ThirdPartyCopy>(Alloc::kMaySleep, command, list);
  if (!copy || !copy->prepare()) return Ending::with_status(kScsiBusy);
  command.copy = copy.release();
  command.session.add_work(command);  // run() goes on with it.
  return Ending::later();
}

}  // namespace chiscsi::scsi
