// SPDX-License-Identifier: GPL-2.0-only
//
// What the target answers for a LUN by itself: one function per command, from the CDB to bytes.
// What it executes, which changes something or takes parameter data, is in executions.hh.
//
// Each writes its whole answer, without regard to the allocation length, and returns the sense that
// ends the command instead, or a good one. None touches a command, a session or the device.
// Context: any.
#pragma once

#include "target/lun/lun_map.hh"
#include "target/lun/lun_rights.hh"
#include "target/scsi/cdb.hh"
#include "target/scsi/conclusion.hh"
#include "target/scsi/reply.hh"

namespace chiscsi {
struct SessionParameters;
class TargetSettings;
}  // namespace chiscsi

namespace chiscsi::scsi {

class AccessStates;
class CopyResults;
class Reservations;

// A command and what is known about whom it goes to.
struct Question {
  Cdb cdb;
  const Lun* lun;  // Null: there is none with this number.
  const LunMap& luns;
  Text target_name;
  uint16_t portal_group_tag;
  SenseCode unit_attention = {};  // That REQUEST SENSE is to report.
  // The I_T nexus: initiator name and ISID, portal group tag. Null in tests only.
  const SessionParameters* nexus = nullptr;
  // Of the target, for rows that want them; the ports of a device are its portal groups.
  const TargetSettings* settings = nullptr;
  const AccessStates* access = nullptr;        // Of the target's port groups. Null in tests only.
  const CopyResults* copies = nullptr;         // Of the nexus. Null in tests only.
  const Reservations* reservations = nullptr;  // Of the LUN, for rows that want them.
  const LunRights* rights = nullptr;           // Of the initiator, by number of the LUN; null: all.
  bool may_write = true;                       // To this LUN.
  bool was_long = false;                       // `cdb` stands for a CDB of 32 bytes.
  Text vendor = "CHISCSI";  // iscsi_target_vendor_id, for classes that have none.
  bool may_reach(uint32_t number) const { return rights == nullptr || rights->may_reach(number); }
};

// SPC-5 section 6.7.
Sense inquiry(const Question& question, Reply& reply);
// What INQUIRY says of the product, and the unit serial number.
Text product_of(const Lun& lun);
Text serial_of(const Lun& lun);
// SPC-5 section 6.33.
Sense report_luns(const Question& question, Reply& reply);
// SPC-5 section 6.39: a pending unit attention, or that a LUN is not there.
Sense request_sense(const Question& question, Reply& reply);
Sense test_unit_ready(const Question& question, Reply& reply);
// SBC-4 sections 5.20 and 5.21. Precondition: the LUN has a geometry.
Sense read_capacity_10(const Question& question, Reply& reply);
Sense read_capacity_16(const Question& question, Reply& reply);
// SBC-4 sections 5.19 and 5.20.
Sense read_defect_data_10(const Question& question, Reply& reply);
Sense read_defect_data_12(const Question& question, Reply& reply);
// SPC-5 sections 6.13 and 6.14. Precondition: the LUN has a geometry.
Sense mode_sense_6(const Question& question, Reply& reply);
Sense mode_sense_10(const Question& question, Reply& reply);
// SPC-5 section 6.8. Precondition: the LUN has a geometry.
Sense log_sense(const Question& question, Reply& reply);
// SPC-5 sections 6.35 and 6.36.
Sense report_supported_opcodes(const Question& question, Reply& reply);
Sense report_supported_task_management(const Question& question, Reply& reply);
// The page of vital product data that the CDB names, with its header (SPC-5 section 7.7).
Sense vital_product_data(const Question& question, Reply& reply);
// SPC-5 section 6.37.
Sense report_target_port_groups(const Question& question, Reply& reply);
// SPC-5 section 6.15.
Sense persistent_reserve_in(const Question& question, Reply& reply);
// RECEIVE COPY STATUS(LID1), RECEIVE COPY FAILURE DETAILS and RECEIVE COPY OPERATING PARAMETERS
// (SPC-5 sections 6.23 to 6.26). Precondition of the latter: the LUN has a geometry.
Sense copy_status_lid1(const Question& question, Reply& reply);
Sense failed_segment_details(const Question& question, Reply& reply);
Sense copy_operating_parameters(const Question& question, Reply& reply);
// Page 8Fh of the vital product data, without its header.
void third_party_copy_page(const Question& question, Reply& reply);

}  // namespace chiscsi::scsi
