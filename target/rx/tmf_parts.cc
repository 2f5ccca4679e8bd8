// SPDX-License-Identifier: GPL-2.0-only
//
// A part from its making to its end. See tmf_parts.hh.
#include "target/rx/tmf_parts.hh"

#include "target/rx/rx.hh"
#include "target/rx/tmf_commands.hh"
#include "target/rx/tmf_resets.hh"

namespace chiscsi::rx {

namespace {

void count_down(Tmf& whole, std::atomic<uint32_t>& counter) {
  if (counter.fetch_sub(1) == 1 && !whole.dropped.load()) whole.wake();
}

void enter_part(Tmf& part) {
  Session& session = *part.session;
  part.stage = TmfStage::kNaming;
  if (!session.has_ended()) {
    const bool has_named = name_commands(part);
    lift_preventions(part);
    establish_unit_attention(part, has_named);
    part.ref();  // The list's.
    session.tmfs.push_back(part);
  }
  count_down(*part.whole, part.whole->parts_naming);
}

}  // namespace

bool add_part(Tmf& tmf, Session& other) {
  Tmf* part = make<Tmf>(Alloc::kMaySleep, Ref<Session>::share(&other)).release();
  if (part == nullptr) return false;
  part->whole = Ref<Tmf>::share(&tmf);
  part->initiator_task_tag = tmf.initiator_task_tag;
  part->function = tmf.function;
  part->lun = tmf.lun;
  part->unit = tmf.unit;
  part->deadline_ms = tmf.deadline_ms;
  tmf.parts.push_back(*part);
  tmf.parts_naming.fetch_add(1);
  tmf.parts_left.fetch_add(1);
  return true;
}

void tell_parts_to_abort(Tmf& tmf) {
  tmf.parts.for_each([](Tmf& part) {
    part.abort_rest.store(true);
    part.wake();
  });
}

void finish_part(Tmf& part) {
  forget_commands(part);
  if (!std::exchange(part.over, true)) count_down(*part.whole, part.whole->parts_left);
  if (!part.session_node.is_linked()) return;
  part.session_node.unlink();
  part.unref();
}

bool advance_part(Tmf& part) {
  bool progress = false;
  if (part.stage == TmfStage::kGathering) {
    enter_part(part);
    progress = true;
  }
  if (part.abort_rest.exchange(false)) {
    abort_named(part);
    progress = true;
  }
  if (part.commands_left == 0 && !older_is_busy(part)) {
    finish_part(part);
  } else {
    part.session->watch_soon();
  }
  return progress;
}

void run_tmf_part(Tmf& part) { advance_part(part); }

void drop_tmf_parts(Session& session) {
  session.tmfs.for_each([](Tmf& tmf) { finish_part(tmf); });
}

}  // namespace chiscsi::rx
