// SPDX-License-Identifier: GPL-2.0-only
//
// Task management functions under the script: answered at once, late, twice, never or not at all,
// before or after the commands they concern.
#include "conformance/errdev.hh"

namespace conformance {
namespace tmf_detail {

using chiscsi_driver::TaskManagement;

constexpr int kNotSupported = -95;
constexpr u32 kUnansweredMax = 64;

// A function whose answer is still to come.
struct Unanswered {
  unsigned long handle;  // 0: free
  conf_deferred* later;
};
constexpr u32 kLateMax = 16;
constinit Unanswered g_late[kLateMax] = {};

// Under the lock of the driver.
constinit unsigned long g_owed[kUnansweredMax] = {};
constinit u32 g_owed_count = 0;

bool is_reset_of_all(u8 function) {
  return function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET ||
         function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET;
}

bool is_forwarded(u8 function) {
  return function == ISCSI_TMF_FUNCTION_ABORT_TASK ||
         function == ISCSI_TMF_FUNCTION_ABORT_TASK_SET ||
         function == ISCSI_TMF_FUNCTION_CLEAR_TASK_SET ||
         function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET || is_reset_of_all(function);
}

void check_arguments(const TaskManagement& tmf) {
  check(Rule::kTmfArguments, is_forwarded(tmf.function()), "a function that is not for drivers",
        tmf.function());
  check(Rule::kTmfArguments, session_is_live(tmf.session()),
        "a function of a session that is not there", tmf.session());
  const bool names_command = tmf.function() == ISCSI_TMF_FUNCTION_ABORT_TASK;
  check(Rule::kTmfArguments, names_command != tmf.command().empty(),
        "ABORT TASK without a command, or another function with one", tmf.function());
  if (!names_command || tmf.command().empty()) return;
  const auto* record = tmf.command().data<Record>();
  check(Rule::kTmfArguments,
        record != nullptr && !record->cleaned && record->session == tmf.session() &&
            record->lun == tmf.lun(),
        "ABORT TASK of a command the driver does not have", tmf.command().initiator_task_tag());
}

bool concerns(const TaskManagement& tmf, const Record& record) {
  switch (tmf.function()) {
    case ISCSI_TMF_FUNCTION_ABORT_TASK:
      return &record == tmf.command().data<Record>();
    case ISCSI_TMF_FUNCTION_ABORT_TASK_SET:
      return record.lun == tmf.lun() && record.session == tmf.session();
    default:
      return is_reset_of_all(tmf.function()) || record.lun == tmf.lun();
  }
}

void end_commands_locked(const TaskManagement& tmf) {
  for (Record* r = first_record_locked(); r != nullptr; r = next_record_locked(*r)) {
    if (concerns(tmf, *r)) end_command_locked(*r);
  }
}

// An answer whose time has come; the target may have given up by now.
void answer_late(void* context) {
  auto* unanswered = static_cast<Unanswered*>(context);
  const int rc =
      chiscsi_tmf_execution_done(unanswered->handle, ISCSI_RESPONSE_TMF_COMPLETE, nullptr);
  note("late answer to function %lu: %d", unanswered->handle, rc);
  __atomic_store_n(&unanswered->handle, 0UL, __ATOMIC_RELEASE);
}

// Takes a free place, or answers at once when there is none.
void answer_later(unsigned long handle, u32 milliseconds) {
  for (Unanswered& slot : g_late) {
    unsigned long nobody = 0;
    if (!__atomic_compare_exchange_n(&slot.handle, &nobody, handle, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED)) {
      continue;
    }
    if (slot.later == nullptr) slot.later = conf_deferred_create(answer_late, &slot);
    if (slot.later == nullptr) break;
    return conf_deferred_start(slot.later, CONF_ON_SOFTIRQ, milliseconds);
  }
  chiscsi_tmf_execution_done(handle, ISCSI_RESPONSE_TMF_COMPLETE, nullptr);
}

void answer_twice(TaskManagement& tmf) {
  const unsigned long handle = tmf.release();
  const int first = chiscsi_tmf_execution_done(handle, ISCSI_RESPONSE_TMF_COMPLETE, nullptr);
  const int second =
      chiscsi_tmf_execution_done(handle, ISCSI_RESPONSE_TMF_FUNCTION_REJECTED, nullptr);
  check(Rule::kTaken, first >= 0, "tmf_execution_done", handle, static_cast<u64>(-first));
  check(Rule::kRefuseDouble, second < 0, "a second answer to a function was taken", handle);
}

void answer(TaskManagement& tmf) {
  const int rc = tmf.answer(ISCSI_RESPONSE_TMF_COMPLETE);
  check(Rule::kTaken, rc >= 0, "tmf_execution_done", tmf.function(), static_cast<u64>(-rc));
}

int keep_unanswered(TaskManagement& tmf) {
  const DriverGuard guard;
  const unsigned long handle = tmf.release();
  if (g_owed_count < kUnansweredMax) g_owed[g_owed_count++] = handle;
  return 0;
}

int execute(TaskManagement& tmf, Function how, u32 delay_ms) {
  switch (how) {
    case Function::kReject:
      return tmf.refuse(kEinval);
    case Function::kUnsupported:
      return tmf.refuse(kNotSupported);
    case Function::kNever:
      return keep_unanswered(tmf);
    case Function::kBefore:
      answer(tmf);
      break;
    default:
      break;
  }
  {
    const DriverGuard guard;
    end_commands_locked(tmf);
  }
  if (how == Function::kInline) answer(tmf);
  if (how == Function::kTwice) answer_twice(tmf);
  if (how == Function::kLate) answer_later(tmf.release(), delay_ms);
  return 0;
}

}  // namespace tmf_detail

using namespace tmf_detail;  // NOLINT: this file's own.

int execute_function(TaskManagement tmf) {
  const HookScope scope("tmf_execute");
  note("function %u, lun %u", tmf.function(), tmf.lun());
  check_arguments(tmf);
  Function how;
  u32 delay_ms;
  {
    const DriverGuard guard;
    how = settings().tmf;
    delay_ms = settings().delay_ms;
  }
  maybe_abort_session(Hook::kTmf, tmf.session());
  return execute(tmf, how, delay_ms);
}

// The target has given most of these up.
void release_functions() {
  for (;;) {
    unsigned long handle;
    {
      const DriverGuard guard;
      if (g_owed_count == 0) return;
      handle = g_owed[--g_owed_count];
    }
    const int rc = chiscsi_tmf_execution_done(handle, ISCSI_RESPONSE_TMF_COMPLETE, nullptr);
    note("answer to function %lu after all: %d", handle, rc);
  }
}

void destroy_functions() {
  for (Unanswered& slot : g_late) {
    conf_deferred_destroy(slot.later);
    slot.later = nullptr;
  }
}

}  // namespace conformance
