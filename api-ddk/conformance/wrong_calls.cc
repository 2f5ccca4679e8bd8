// SPDX-License-Identifier: GPL-2.0-only
//
// Calls that the target has to refuse without harm: strangers, the dead, lists that do not fit,
// handles nobody gave, and a control plane that is asked for the impossible.
#include "conformance/conformance.hh"

namespace conformance {
namespace wrong_detail {

constexpr u32 kOverDmaOrder = 2;  // Enough memory around a false command for any look at it.

void expect_refusal(Rule rule, int rc, const char* call, u64 what = 0) {
  check(rule, rc < 0, call, what, static_cast<u64>(rc));
}

struct WrongList {
  const char* what;
  chiscsi_sgvec* list;
  u32 count;
  u32 offset;
  u32 length;
};

// A command that is not one, in the middle of memory that is ours.
void make_foreign_calls(chiscsi_scsi_command* command) {
  expect_refusal(Rule::kRefuseForeign, chiscsi_scsi_cmd_buffer_ready(command, nullptr, 1, 0, 512),
                 "buffer_ready");
  expect_refusal(Rule::kRefuseForeign, chiscsi_scsi_cmd_execution_status(command, nullptr, 0, 0, 0),
                 "execution_status");
  expect_refusal(Rule::kRefuseForeign, chiscsi_scsi_cmd_abort(command), "abort");
  expect_refusal(Rule::kRefuseForeign, chiscsi_scsi_cmd_abort_status(command), "abort_status");
  chiscsi_iscsi_command_dump(command);
}

void make_calls_without_command() {
  expect_refusal(Rule::kRefuseNull, chiscsi_scsi_cmd_buffer_ready(nullptr, nullptr, 0, 0, 0),
                 "buffer_ready");
  expect_refusal(Rule::kRefuseNull, chiscsi_scsi_cmd_execution_status(nullptr, nullptr, 0, 0, 0),
                 "execution_status");
  expect_refusal(Rule::kRefuseNull, chiscsi_scsi_cmd_abort(nullptr), "abort");
  expect_refusal(Rule::kRefuseNull, chiscsi_scsi_cmd_abort_status(nullptr), "abort_status");
  chiscsi_iscsi_command_dump(nullptr);
}

void make_calls_with_false_handles() {
  constexpr unsigned long kFalse[] = {0, ~0UL, 0x7fffffffUL};
  for (const unsigned long handle : kFalse) {
    expect_refusal(Rule::kRefuseHandle,
                   chiscsi_tmf_execution_done(handle, ISCSI_RESPONSE_TMF_COMPLETE, nullptr),
                   "tmf_execution_done", handle);
    expect_refusal(Rule::kRefuseHandle, chiscsi_target_session_abort(handle),
                   "target_session_abort", handle);
    // These return nothing; they must do nothing.
    chiscsi_target_first_login_check_done(handle, 0, 0, 0);
    chiscsi_target_login_stage_check_done(handle, 0, 0);
  }
}

}  // namespace wrong_detail

using namespace wrong_detail;  // NOLINT: this file's own.

void make_wrong_calls_locked(Record& record) {
  chiscsi_scsi_command* raw = record.command.view().raw();
  chiscsi_sgvec good{}, nothing{}, dma{};
  good.sg_addr = record.response;
  good.sg_length = record.expected;
  nothing.sg_length = record.expected;
  dma.sg_flag = ISCSI_SG_SBUF_DMABLE;
  dma.sg_dma_addr = 0x1000;
  dma.sg_length = record.expected;
  expect_refusal(Rule::kRefuseList, chiscsi_scsi_cmd_abort_status(raw), "abort_status unasked");
  if (record.expected == 0) return;

  const WrongList wrong[] = {
      {"no elements", &good, 0, 0, record.expected},
      {"an element without memory", &nothing, 1, 0, record.expected},
      {"bus addresses only", &dma, 1, 0, record.expected},
      {"an offset that skips data", &good, 1, 1, record.expected},
      {"an offset that wraps", &good, 1, 0xffffffff, record.expected},
      {"more than the command expects", &good, 1, 0, record.expected + 1},
      {"longer than its elements", &good, 1, 0, 0xffffffff},
  };
  for (const WrongList& w : wrong) {
    auto* list = reinterpret_cast<unsigned char*>(w.list);
    const int rc = record.write
                       ? chiscsi_scsi_cmd_buffer_ready(raw, list, w.count, w.offset, w.length)
                       : chiscsi_scsi_cmd_execution_status(raw, list, w.count, w.offset, w.length);
    expect_refusal(w.list == &dma ? Rule::kRefuseDmaOnly : Rule::kRefuseList, rc, w.what,
                   record.task_tag);
  }
  auto* list = reinterpret_cast<unsigned char*>(&good);
  if (!is_multi_phase() && record.expected > 1) {
    const u32 less = record.expected - 1;
    expect_refusal(Rule::kRefuseList,
                   record.write ? chiscsi_scsi_cmd_buffer_ready(raw, list, 1, 0, less)
                                : chiscsi_scsi_cmd_execution_status(raw, list, 1, 0, less),
                   "less than the command expects, without phases");
  }
  if (record.write) {
    expect_refusal(Rule::kRefuseList,
                   chiscsi_scsi_cmd_buffer_ready(raw, nullptr, 1, 0, record.expected), "no list");
    expect_refusal(Rule::kRefuseList, chiscsi_scsi_cmd_buffer_ready(raw, list, 1, 0, 0),
                   "no bytes");
  } else {
    expect_refusal(Rule::kRefuseList,
                   chiscsi_scsi_cmd_buffer_ready(raw, list, 1, 0, record.expected),
                   "write buffers for a read");
  }
}

// The command was ended and is being cleaned up: its memory is still there.
void make_stale_calls_locked(chiscsi_scsi_command* command) {
  expect_refusal(Rule::kRefuseStale, chiscsi_scsi_cmd_buffer_ready(command, nullptr, 1, 0, 512),
                 "buffer_ready");
  expect_refusal(Rule::kRefuseStale, chiscsi_scsi_cmd_execution_status(command, nullptr, 0, 0, 0),
                 "execution_status");
  expect_refusal(Rule::kRefuseStale, chiscsi_scsi_cmd_abort(command), "abort");
  expect_refusal(Rule::kRefuseStale, chiscsi_scsi_cmd_abort_status(command), "abort_status");
}

void make_strange_calls() {
  make_calls_without_command();
  make_calls_with_false_handles();
  u8* memory = nullptr;
  void* pages = iface_os_pages_alloc(kOverDmaOrder, &memory);
  if (pages == nullptr) return;
  auto* middle = memory + (1UL << (iface_os_page_shift() + kOverDmaOrder)) / 2;
  make_foreign_calls(reinterpret_cast<chiscsi_scsi_command*>(middle));
  iface_os_pages_free(pages, kOverDmaOrder);
}

// Our classes are gone.
void make_calls_after_deregistration() {
  const Identity self = identity();
  make_strange_calls();
  expect_refusal(Rule::kRefuseControl,
                 chiscsi_target_add(self.owner, self.target_name, self.class_name, self.keys,
                                    static_cast<int>(self.keys_length)),
                 "a target of a class that is gone");
  expect_refusal(Rule::kRefuseControl, chiscsi_target_remove(self.owner, self.target_name),
                 "removing a target that is gone");
  expect_refusal(Rule::kRefuseControl,
                 chiscsi_target_lun_class_register(&lun_class(), self.class_name),
                 "a LUN class of a class that is gone");
  expect_refusal(Rule::kRefuseControl,
                 chiscsi_target_lun_class_deregister(self.lun_class_name, self.class_name),
                 "deregistering a LUN class twice");
  expect_refusal(Rule::kRefuseControl, chiscsi_target_class_deregister(self.class_name),
                 "deregistering a class twice");
}

int make_wrong_control_calls() {
  char nobody[] = "nobody", unknown[] = "iqn.2026-11.org.example:unknown";
  char no_end[] = {'A', '=', 'B'};
  char bad_key[] = "NoSuchKey=1";
  chiscsi_target_class empty{};
  chiscsi_target_lun_class lun{};
  const Identity self = identity();
  const struct {
    const char* what;
    int rc;
  } results[] = {
      {"target_class_register(NULL)", chiscsi_target_class_register(nullptr)},
      {"a class without a name", chiscsi_target_class_register(&empty)},
      {"a class twice", chiscsi_target_class_register(&target_class())},
      {"target_class_deregister(NULL)", chiscsi_target_class_deregister(nullptr)},
      {"deregistering an unknown class", chiscsi_target_class_deregister(nobody)},
      {"target_lun_class_register(NULL)",
       chiscsi_target_lun_class_register(nullptr, self.class_name)},
      {"a LUN class without hooks", chiscsi_target_lun_class_register(&lun, self.class_name)},
      {"a LUN class of an unknown class", chiscsi_target_lun_class_register(&lun, nobody)},
      {"deregistering an unknown LUN class",
       chiscsi_target_lun_class_deregister(nobody, self.class_name)},
      {"a target without a name",
       chiscsi_target_add(self.owner, nullptr, self.class_name, nullptr, 0)},
      {"a target of an unknown class", chiscsi_target_add(self.owner, unknown, nobody, nullptr, 0)},
      {"a target twice", chiscsi_target_add(self.owner, self.target_name, self.class_name,
                                            self.keys, static_cast<int>(self.keys_length))},
      {"keys without an end",
       chiscsi_target_add(self.owner, unknown, self.class_name, no_end, sizeof(no_end))},
      {"an unknown key",
       chiscsi_target_add(self.owner, unknown, self.class_name, bad_key, sizeof(bad_key))},
      {"removing an unknown target", chiscsi_target_remove(self.owner, unknown)},
      {"removing somebody else's target", chiscsi_target_remove(nobody, self.target_name)},
      {"removing no target", chiscsi_target_remove(self.owner, nullptr)},
      {"reconfiguring an unknown target",
       chiscsi_target_reconfig(self.owner, unknown, self.class_name, nullptr, 0)},
      {"reconfiguring somebody else's target",
       chiscsi_target_reconfig(nobody, self.target_name, self.class_name, self.keys,
                               static_cast<int>(self.keys_length))},
      {"reconfiguring with an unknown key",
       chiscsi_target_reconfig(self.owner, self.target_name, self.class_name, bad_key,
                               sizeof(bad_key))},
  };
  for (const auto& result : results) {
    note("%s: %d", result.what, result.rc);
    expect_refusal(Rule::kRefuseControl, result.rc, result.what);
  }
  check(Rule::kClassBusy, chiscsi_target_class_deregister(self.class_name) == chiscsi_driver::kBusy,
        "a target class could be deregistered while it has a target");
  check(Rule::kClassBusy,
        chiscsi_target_lun_class_deregister(self.lun_class_name, self.class_name) ==
            chiscsi_driver::kBusy,
        "a LUN class could be deregistered while a target uses it");
  return 0;
}

}  // namespace conformance
