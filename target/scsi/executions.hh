// SPDX-License-Identifier: GPL-2.0-only
//
// What the target executes for a LUN: commands that change something, with or without parameter
// data of the initiator.
//
// The data has arrived completely before a function here is called, and is as long as the CDB says.
// A function either ends its command or says that it ends later: then it keeps the command, which
// stays whatever happens to it, and calls scsi_layer::finish() on the session's worker within a
// limited time. Context: the session's worker, no lock held; nothing here sleeps for long.
#pragma once

#include "target/scsi/answers.hh"

namespace chiscsi {
struct Command;
}

namespace chiscsi::scsi {

// How a command has ended. The status alone, or CHECK CONDITION with a sense.
class Ending {
 public:
  constexpr Ending() = default;         // GOOD.
  constexpr Ending(const Sense& sense)  // NOLINT: implicit on purpose.
      : status_(sense.is_good() ? kScsiGood : kScsiCheckCondition), sense_(sense) {}
  constexpr Ending(SenseCode code) : Ending(Sense(code)) {}  // NOLINT
  static constexpr Ending with_status(uint8_t status) {
    Ending ending;
    ending.status_ = status;
    return ending;
  }
  static constexpr Ending later() {
    Ending ending;
    ending.later_ = true;
    return ending;
  }

  // What the class may still keep in its cache has to reach the medium before the command is good.
  static constexpr Ending after_flush() {
    Ending ending;
    ending.flushes_ = true;
    return ending;
  }

  constexpr bool flushes() const { return flushes_; }
  constexpr bool is_later() const { return later_; }
  constexpr uint8_t status() const { return status_; }
  constexpr const Sense& sense() const { return sense_; }

 private:
  uint8_t status_ = kScsiGood;
  bool later_ = false;
  bool flushes_ = false;
  Sense sense_;
};

// Parameter lists longer than this are refused.
inline constexpr uint32_t kMaxParameterList = 65536;

// SPC-5 sections 6.11 and 6.12. Precondition: the LUN has a geometry.
Ending mode_select_6(const Question& question, Bytes parameters, Command& command);
Ending mode_select_10(const Question& question, Bytes parameters, Command& command);
// SBC-4 section 5.30 and SPC-5 section 6.15. The latter is for removable media.
Ending start_stop_unit(const Question& question, Bytes parameters, Command& command);
Ending prevent_allow_medium_removal(const Question& question, Bytes parameters, Command& command);

// SPC-5 section 6.16; SPC-2 sections 7.21 to 7.24. Where registrations persist, the end comes when
// the change has been stored, and after PREEMPT AND ABORT when the commands have ended.
Ending persistent_reserve_out(const Question& question, Bytes parameters, Command& command);
Ending reserve_unit(const Question& question, Bytes parameters, Command& command);
Ending release_unit(const Question& question, Bytes parameters, Command& command);
// SPC-5 section 6.4. A copy ends later.
Ending extended_copy(const Question& question, Bytes parameters, Command& command);
// SPC-5 section 6.45.
Ending set_target_port_groups(const Question& question, Bytes parameters, Command& command);

}  // namespace chiscsi::scsi
