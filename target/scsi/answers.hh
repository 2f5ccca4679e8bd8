// SPDX-License-Identifier: GPL-2.0-only
//
// What the target answers for a LUN by itself: one function per command, from the CDB to bytes.
//
// Each writes its whole answer, without regard to the allocation length, and returns the sense that
// ends the command instead, or kNoSense. None touches a command, a session or the device. Context:
// any.
#pragma once

#include "target/lun/lun_map.hh"
#include "target/lun/lun_rights.hh"
#include "target/scsi/cdb.hh"
#include "target/scsi/conclusion.hh"
#include "target/scsi/reply.hh"

namespace chiscsi::scsi {

// A command and what is known about whom it goes to.
struct Question {
  Cdb cdb;
  const Lun* lun;  // Null: there is none with this number.
  const LunMap& luns;
  Text target_name;
  uint16_t portal_group_tag;
  SenseCode unit_attention = {};      // That REQUEST SENSE is to report.
  const LunRights* rights = nullptr;  // Of the initiator, by number of the LUN; null: all of them.
  bool may_write = true;              // To this LUN.
  Text vendor = "CHISCSI";            // iscsi_target_vendor_id, for classes that have none.
  bool may_reach(uint32_t number) const { return rights == nullptr || rights->may_reach(number); }
};

// SPC-5 sections 6.7 and 7.7.
SenseCode inquiry(const Question& question, Reply& reply);
// What INQUIRY says of the product, and the unit serial number.
Text product_of(const Lun& lun);
Text serial_of(const Lun& lun);
// SPC-5 section 6.33.
SenseCode report_luns(const Question& question, Reply& reply);
size_t report_luns_size(const LunMap& luns);
// SPC-5 section 6.39: a pending unit attention, or that a LUN is not there.
SenseCode request_sense(const Question& question, Reply& reply);
SenseCode test_unit_ready(const Question& question, Reply& reply);
// SBC-4 sections 5.20 and 5.21. Precondition: the LUN has a geometry.
SenseCode read_capacity_10(const Question& question, Reply& reply);
SenseCode read_capacity_16(const Question& question, Reply& reply);
// SPC-5 sections 6.13 and 6.14. Precondition: the LUN has a geometry.
SenseCode mode_sense_6(const Question& question, Reply& reply);
SenseCode mode_sense_10(const Question& question, Reply& reply);
// SPC-5 section 6.35.
SenseCode report_supported_opcodes(const Question& question, Reply& reply);

}  // namespace chiscsi::scsi
