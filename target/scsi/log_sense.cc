// SPDX-License-Identifier: GPL-2.0-only
//
// LOG SENSE (SPC-5 sections 6.8 and 7.3, SBC-4 section 6.4): what a unit counts by itself.
//
// Nothing here can be set, saved or reset, so there is no LOG SELECT, and of the values there are
// the current ones only.
#include "target/lun/provisioning.hh"
#include "target/scsi/answers.hh"

namespace chiscsi::scsi {

namespace log_sense_detail {

constexpr uint8_t kDisableSave = 0x80, kSubpageFormat = 0x40, kAllSubpages = 0xff;
constexpr uint8_t kCumulative = 1;  // Of the PC field.
// Parameter control: nothing is saved (TSD); a counter without a bound, a list in binary format.
constexpr uint8_t kCounter = 0x22, kBinaryList = 0x23;

// The parameters of a page, in order of their codes. The initiator may ask for those from a code
// on.
class LogParameters {
 public:
  LogParameters(Reply& reply, uint16_t from) : reply_(reply), from_(from) {}
  // False: this one is not wanted. `size` bytes are to follow.
  bool begin(uint16_t code, uint8_t control, uint8_t size) {
    if (code < from_) return false;
    any_ = true;
    reply_.be16(code).u8(control).u8(size);
    return true;
  }
  bool any() const { return any_; }
  Reply& reply() { return reply_; }

 private:
  Reply& reply_;
  const uint16_t from_;
  bool any_ = false;
};

// ---- 0Ch: logical block provisioning (SBC-4 section 6.4.5) ----

constexpr uint16_t kAvailable = 1, kUsed = 2;
constexpr uint8_t kDedicated = 1, kShared = 2;  // SCOPE.

void put_resources(LogParameters& parameters, uint16_t code, uint32_t sets, uint8_t scope) {
  constexpr uint8_t kSize = 8;
  if (!parameters.begin(code, kBinaryList, kSize)) return;
  parameters.reply().be32(sets).u8(scope).zeros(3);
}

void provisioning(const Lun& lun, LogParameters& parameters) {
  const LunUsage usage = lun.usage();
  if (usage.available != CHISCSI_LUN_NOT_KNOWN) {
    put_resources(parameters, kAvailable, sets_available(lun), kShared);
  }
  put_resources(parameters, kUsed, sets_used(lun), kDedicated);
}

bool has_usage(const Lun& lun) { return lun.tells_usage(); }

// ---- 19h: general statistics and performance (SPC-5 section 7.3.11) ----

constexpr uint16_t kStatistics = 1, kIdleTime = 2, kTimeInterval = 3;
constexpr uint8_t kStatisticsSize = 0x40, kTimeSize = 8;

void put_counts(const Lun& lun, LogParameters& parameters) {
  if (!parameters.begin(kStatistics, kCounter, kStatisticsSize)) return;
  CommandCounters::Sum sum;
  lun.counters.add_to(&sum);
  Reply& reply = parameters.reply();
  reply.be64(sum.reads).be64(sum.writes);
  reply.be64(sum.write_bytes / lun.block_size()).be64(sum.read_bytes / lun.block_size());
  reply.zeros(32);
}

// Commands and blocks. Times are not kept; they are there because readers look for all three
// parameters.
void statistics(const Lun& lun, LogParameters& parameters) {
  constexpr uint32_t kMicroseconds = 6;  // 1 interval is 10 to the power of -6 seconds.
  put_counts(lun, parameters);
  if (parameters.begin(kIdleTime, kCounter, kTimeSize)) parameters.reply().zeros(kTimeSize);
  if (parameters.begin(kTimeInterval, kBinaryList, kTimeSize)) {
    parameters.reply().be32(kMicroseconds).be32(1);
  }
}

// ---- 2Fh: informational exceptions (SPC-5 section 7.3.12) ----

// There are none, and nobody measures a temperature.
void exceptions(const Lun&, LogParameters& parameters) {
  constexpr uint16_t kGeneral = 0;
  constexpr uint8_t kNoTemperature = 0xff;
  if (!parameters.begin(kGeneral, kBinaryList, 4)) return;
  parameters.reply().u8(0).u8(0).u8(kNoTemperature).u8(0);
}

// ---- All of them ----

struct LogPage {
  uint8_t code;
  void (*write)(const Lun& lun, LogParameters& parameters);
  bool (*is_there)(const Lun& lun);  // Null: always.
};
constexpr LogPage kLogPages[] = {
    {0x0c, provisioning, has_usage},
    {0x19, statistics, nullptr},
    {0x2f, exceptions, nullptr},
};

const LogPage* find_page(uint8_t code, const Lun& lun) {
  for (const LogPage& page : kLogPages) {
    if (page.code != code) continue;
    return page.is_there == nullptr || page.is_there(lun) ? &page : nullptr;
  }
  return nullptr;
}

void begin_page(uint8_t first_byte, uint8_t subpage, Reply& reply) {
  reply.u8(first_byte).u8(subpage).be16(0);
}

void end_page(Reply& reply) { reply.patch16(2, static_cast<uint16_t>(reply.size() - 4)); }

// A page, and the list of its subpages.
void list_subpages(uint8_t code, Reply& reply) { reply.u8(code).u8(0).u8(code).u8(kAllSubpages); }

// 00h: supported pages; 00h/FFh: with subpages; any other page with FFh: its subpages (SPC-5
// sections 7.3.21 to 7.3.23).
Sense list(uint8_t code, uint8_t subpage, const Lun& lun, Reply& reply) {
  begin_page(static_cast<uint8_t>(code | (subpage != 0 ? kSubpageFormat : 0)), subpage, reply);
  const auto add = [&](uint8_t listed) {
    subpage != 0 ? list_subpages(listed, reply) : static_cast<void>(reply.u8(listed));
  };
  if (code != 0) {
    add(code);
  } else {
    add(0);
    for (const LogPage& page : kLogPages) {
      if (find_page(page.code, lun) != nullptr) add(page.code);
    }
  }
  end_page(reply);
  return kNoSense;
}

}  // namespace log_sense_detail

Sense log_sense(const Question& question, Reply& reply) {
  namespace detail = log_sense_detail;
  constexpr uint8_t kPointerAt = 5;
  const Cdb& cdb = question.cdb;
  const Lun& lun = *question.lun;
  const uint8_t code = cdb.u8(2) & 0x3f, subpage = cdb.u8(3);
  const detail::LogPage* page = detail::find_page(code, lun);
  if (page == nullptr && code != 0) return wrong_cdb_field(2, 5);
  if (subpage != 0 && subpage != detail::kAllSubpages) return wrong_cdb_field(3);
  const uint16_t from = cdb.be16(kPointerAt);
  if (page == nullptr || subpage != 0) {
    if (from != 0) return wrong_cdb_field(kPointerAt);
    return detail::list(code, subpage, lun, reply);
  }
  if (cdb.u8(2) >> 6 != detail::kCumulative) return wrong_cdb_field(2, 7);
  detail::begin_page(detail::kDisableSave | code, 0, reply);
  detail::LogParameters parameters(reply, from);
  page->write(lun, parameters);
  if (!parameters.any()) return wrong_cdb_field(kPointerAt);
  detail::end_page(reply);
  return kNoSense;
}

}  // namespace chiscsi::scsi
