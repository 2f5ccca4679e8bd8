// SPDX-License-Identifier: GPL-2.0-only
//
// CopyResults: what RECEIVE COPY RESULTS can say of the third-party copies of one nexus.
//
// A record is made with its copy and stays after its end until its place is needed; a list
// identifier names the youngest copy that had it (SPC-5 sections 6.23 to 6.26). The memory is taken
// with the first copy. It belongs to a session, so it ends with the nexus. Context: the session's
// worker.
#pragma once

#include "base/alloc.hh"
#include "target/scsi/sense_code.hh"

namespace chiscsi::scsi {

struct CopyRecord {
  enum State : uint8_t { kUnused, kRunning, kGood, kFailed };

  State state = kUnused;
  bool is_named = false;  // By a list identifier.
  uint8_t list_id = 0;
  uint8_t status = 0;     // The command has ended with.
  uint16_t segments = 0;  // Processed, that under way included.
  uint64_t bytes = 0;     // Written.
  uint64_t age = 0;       // The smaller, the older.
  uint8_t sense_size = 0;
  uint8_t sense[kMaxSenseSize];
};

class CopyResults {
 public:
  // Copies of one nexus at a time.
  static constexpr uint32_t kMaxRunning = 8;

  // The copy that has the list identifier, or had it last; or null.
  const CopyRecord* find(uint8_t list_id) const;
  bool is_running(uint8_t list_id) const;
  // A record for a new copy. Null: too many are running, or there is no memory.
  CopyRecord* begin(bool is_named, uint8_t list_id);
  void end(CopyRecord& record, uint8_t status, const Sense& sense);

 private:
  static constexpr uint32_t kRecords = 2 * kMaxRunning;
  struct Records {
    CopyRecord all[kRecords];
  };
  CopyRecord* place_for(bool is_named, uint8_t list_id);

  OwnPtr<Records> records_;
  uint32_t running_ = 0;
  uint64_t last_age_ = 0;
};

}  // namespace chiscsi::scsi
