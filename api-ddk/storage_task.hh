// SPDX-License-Identifier: GPL-2.0-only
//
// One SCSI command while the sample driver has it: the private data behind sc_sdev_hdl.
//
// Made or recycled in fp_scsi_cmd_cdb_rcved, given back to the pool of its unit in
// fp_scsi_cmd_cleanup. Every member is guarded by the lock of its unit.
#pragma once

#include "chiscsi_driver.hh"
#include "storage_driver.hh"

namespace iface {

class Lun;

struct Task {
  enum class State : u8 {
    kNew,     // not looked at yet
    kMoving,  // a buffer list is with the target, more is to come
    kMoved,   // that list has come back, the next step is due
    kEnded    // the final status, or the answer to an abort, was given
  };

  Link held;    // Lun: all tasks in use, or the pool of those that are not
  Link queued;  // StorageThread: a step is due

  chiscsi_driver::Command command;
  Lun* lun = nullptr;
  State state = State::kNew;
  bool abort_owed = false;  // an abort is unanswered because the driver plays dead
  Plan plan;
  Transfer transfer;
  u32 moved = 0;  // bytes handed over so far

  chiscsi_sgvec* list = nullptr;       // room for an everyday command, kept for the next one
  chiscsi_sgvec* long_list = nullptr;  // room for this one, if it is longer
  void* response_page = nullptr;       // one page for parameter data, either way
  u8* response = nullptr;

  chiscsi_sgvec* sgl() { return long_list != nullptr ? long_list : list; }
};

}  // namespace iface
