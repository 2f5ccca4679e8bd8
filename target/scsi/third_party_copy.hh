// SPDX-License-Identifier: GPL-2.0-only
//
// ThirdPartyCopy: an EXTENDED COPY that runs (SPC-5 section 5.19).
//
// It is the execution of its command and ends it. Segment after segment it reads from one LUN and
// writes to another one, a buffer at a time, by commands of its own: inner commands, one after the
// other. These are commands of the same session, so they pass the same gates as if the initiator
// had sent them (LUN rights, reservations, port groups, write protection, the end of the medium),
// run in whatever class the LUN has, and are named by task management functions on their LUN. They
// have no connection: their data comes from and goes to the buffer, and nobody hears of their
// status but the copy.
//
// A LUN is looked up by its designator once, and remembered by its device: when a reload has put
// another device in its place, the copy ends. When its command is aborted, the inner command is
// too, and nothing follows it. Everything runs on the session's worker.
#pragma once

#include "base/own_ptr.hh"
#include "base/text.hh"
#include "target/lun/unit_state.hh"
#include "target/scsi/copy_list.hh"
#include "target/scsi/copy_results.hh"
#include "target/scsi/executions.hh"
#include "target/scsi/segment_walk.hh"
#include "target/session/command.hh"

namespace chiscsi::scsi {

class ThirdPartyCopy {
 public:
  // `list` is in the parameter data of the command, which stays as long as the command.
  ThirdPartyCopy(Command& owner, const CopyList& list) : command_(owner), list_(list) {}
  ~ThirdPartyCopy();
  // Takes what it needs to begin. False: there is no memory, or too many copies run, of this
  // session or of all.
  bool prepare();

  // Does what is next: an inner command, or the end of the copy, which destroys it.
  void advance();

  // ---- What becomes of the inner command. ----

  // Whether the LUN it has entered is that of the device it is for.
  bool is_meant(const Lun* lun) const;
  // Its class has lent a list: the data moves.
  void move_data(BufferPhase& phase);
  // It ends; its conclusion is known, unless it was aborted.
  void inner_over(const Command& inner);
  // Its class does not answer an abort: it may come back at any time, but not to the copy.
  void inner_lost();

 private:
  // A LUN that takes part.
  struct Party {
    bool is_known = false;
    uint32_t number = 0;
    Ref<UnitState> device;
  };

  bool has_lost_its_lun() const;
  Sense begin_segment();
  Sense look_up(uint16_t index, uint8_t field);
  Sense find_lun(const CopyTarget& target, Party* party) const;
  Sense describe(uint16_t index, SegmentWalk::Device* device) const;
  bool share_medium(const Party& a, const Party& b) const;
  Sense of_segment(Sense sense) const;
  void start(const CopyTransfer& transfer);
  void fill_in(Command& inner, const CopyTransfer& transfer) const;
  Sense failure_of(const Command& inner) const;
  void abort_inner();
  void end(const Ending& ending);

  Command& command_;
  const CopyList list_;
  CopyRecord* record_ = nullptr;
  bool is_counted_ = false;  // Among the buffers of all copies.
  Buffer memory_;
  Party parties_[kMaxCopyTargets];
  SegmentWalk walk_;
  uint16_t segment_ = 0;     // That which is copied.
  bool in_segment_ = false;  // It has begun.
  uint32_t held_ = 0;        // Bytes left of the segment before.
  Sense failure_;

  Command* inner_ = nullptr;
  CopyTransfer transfer_;  // What it does.
  uint32_t moved_ = 0;     // Bytes of its data.
};

}  // namespace chiscsi::scsi
