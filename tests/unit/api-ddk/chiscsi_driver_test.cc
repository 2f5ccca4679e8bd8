// SPDX-License-Identifier: GPL-2.0-only
//
// The C++ header for storage drivers: which hooks it fills in, that a handle ends a command, a
// check or a function exactly once whatever the driver does with it, and how a registration ends.
#include <gtest/gtest.h>

#include "fake_host.hh"

#include "chiscsi_driver.hh"

namespace {

using namespace chiscsi_driver;

// ---- The tables ----

struct SmallTarget : TargetClass<SmallTarget> {
  unsigned long session_added(unsigned long handle, const unsigned char*, const Nexus& nexus) {
    initiator = nexus.initiator;
    return handle + 1;
  }
  static int discovery_target_accessible(unsigned long, const Nexus&) { return 0; }
  std::string initiator;
};

struct SmallLun : LunClass<SmallLun> {
  int command_received(Command command) {
    kept = std::move(command);
    return 0;
  }
  int data_transferred(CommandView, BufferList list, Extent part) {
    transferred = part.length + list.count;
    return 0;
  }
  static int abort(CommandView) { return 0; }
  int task_management(TaskManagement tmf) {
    function = tmf.function();
    return 0;
  }
  Command kept;
  unsigned transferred = 0;
  unsigned char function = 0;
};

char name[] = "name";

TEST(CxxDriver, LeavesHooksNullThatTheDriverDoesNotWrite) {
  SmallTarget target;
  const chiscsi_target_class& table = target.make_table(name);
  EXPECT_STREQ(table.class_name, name);
  EXPECT_NE(table.fp_session_added, nullptr);
  EXPECT_NE(table.fp_discovery_target_accessible, nullptr);
  EXPECT_EQ(table.fp_first_login_check, nullptr);
  EXPECT_EQ(table.fp_login_stage_check, nullptr);
  EXPECT_EQ(table.fp_chap_info_get, nullptr);
  EXPECT_EQ(table.fp_session_removed, nullptr);
  EXPECT_EQ(table.fp_select_redirection_portal, nullptr);

  SmallLun lun;
  const chiscsi_target_lun_class& hooks = lun.make_table(name, 5);
  EXPECT_EQ(hooks.property, 5u);
  EXPECT_NE(hooks.fp_scsi_cmd_cdb_rcved, nullptr);
  EXPECT_NE(hooks.fp_tmf_execute, nullptr);
  EXPECT_EQ(hooks.fp_scsi_cmd_cleanup, nullptr);
  EXPECT_EQ(hooks.fp_scsi_cmd_abort_status, nullptr);
  EXPECT_EQ(hooks.fp_queued_scsi_cmd_exe, nullptr);
  EXPECT_EQ(hooks.fp_attach, nullptr);
}

TEST(CxxDriver, CallsTheObjectThatMadeTheTable) {
  SmallTarget target;
  char initiator[] = "iqn.host";
  EXPECT_EQ(target.make_table(name).fp_session_added(4, nullptr, initiator, name), 5u);
  EXPECT_EQ(target.initiator, "iqn.host");

  SmallLun lun;
  const chiscsi_target_lun_class& hooks = lun.make_table(name, 0);
  FakeCommand c;
  EXPECT_EQ(hooks.fp_scsi_cmd_cdb_rcved(&c.api), 0);
  EXPECT_TRUE(lun.kept.is_open());
  hooks.fp_scsi_cmd_data_xfer_status(&c.api, nullptr, 3, 0, 100);
  EXPECT_EQ(lun.transferred, 103u);
  EXPECT_EQ(lun.kept.finish(), 0);
  EXPECT_TRUE(c.final);
}

// ---- Commands ----

TEST(CxxDriver, EndsACommandOnce) {
  FakeCommand c;
  Command command(&c.api);
  EXPECT_EQ(command.finish(SenseCode{5, 0x24, 0}), 0);
  EXPECT_TRUE(c.final);
  EXPECT_EQ(c.api.sc_status, kStatusCheckCondition);
  EXPECT_EQ(c.api.sc_sense_asc, 0x24);
  EXPECT_EQ(command.finish(), kStale);
  EXPECT_EQ(command.abort(), kStale);
  EXPECT_EQ(command.lend({}, {}), kStale);
  EXPECT_EQ(c.refusals, 0) << "the second end does not even reach the target";
}

TEST(CxxDriver, EndsACommandThatIsDropped) {
  FakeCommand c;
  { Command forgotten(&c.api); }
  EXPECT_TRUE(c.final);
  EXPECT_EQ(c.api.sc_sense_key, kAborted.key);
  FakeCommand d, e;
  {
    Command command(&d.api);
    command = Command(&e.api);
    EXPECT_TRUE(d.final) << "what is overwritten is dropped";
    EXPECT_FALSE(e.final);
  }
  EXPECT_TRUE(e.final);
}

TEST(CxxDriver, MovesTheRightAndKeepsItAfterARefusal) {
  FakeCommand c;
  c.refuse_next = 2;
  Command first(&c.api);
  Command command(std::move(first));
  EXPECT_FALSE(first.is_open());
  EXPECT_EQ(first.finish(), kStale);
  EXPECT_EQ(command.finish(), kInvalid);
  EXPECT_TRUE(command.is_open());
  chiscsi_sgvec element{};
  EXPECT_EQ(command.send({&element, 1}, {0, 512}, Command::Part::kLast), kInvalid);
  EXPECT_TRUE(command.is_open());
  EXPECT_EQ(command.send({&element, 1}, {0, 512}, Command::Part::kMore), 0);
  EXPECT_TRUE(command.is_open());
  EXPECT_EQ(command.send({&element, 1}, {512, 512}, Command::Part::kLast), 0);
  EXPECT_FALSE(command.is_open());
  EXPECT_EQ(c.offset, 512u);
}

TEST(CxxDriver, AnswersAnAbortByTheRightCallAlsoAfterTheEnd) {
  for (const unsigned flag : {SC_FLAG_SESS_ABORT, SC_FLAG_TMF_ABORT}) {
    FakeCommand c;
    Command command(&c.api);
    chiscsi_sgvec element{};
    EXPECT_EQ(command.send({&element, 1}, {0, 512}, Command::Part::kLast), 0);
    c.final = false;  // The list is with the target when the abort comes.
    c.api.sc_flag |= flag;
    command.on_abort();
    EXPECT_FALSE(command.is_open());
    EXPECT_TRUE(command.is_owed());
    EXPECT_EQ(command.finish(), 0);
    EXPECT_EQ(c.abort_answered, flag == SC_FLAG_SESS_ABORT);
    EXPECT_EQ(command.finish(), kStale);
  }
}

TEST(CxxDriver, GivesUpTheRightWithoutUsingIt) {
  FakeCommand c;
  {
    Command command(&c.api);
    EXPECT_EQ(command.release(), &c.api);
  }
  { EXPECT_EQ(Command(&c.api).refuse(kBusy), kBusy); }
  {
    Command command(&c.api);
    command.forget();
    EXPECT_TRUE(command.view().empty());
  }
  EXPECT_FALSE(c.final);
}

// ---- Task management and logins ----

TEST(CxxDriver, AnswersATaskManagementFunctionOnce) {
  tmf_answers = 0;
  {
    TaskManagement tmf(1, 2, false, ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 0, nullptr);
    TaskManagement moved(std::move(tmf));
    EXPECT_EQ(moved.answer(ISCSI_RESPONSE_TMF_INVALID_LUN), 0);
    EXPECT_EQ(moved.answer(ISCSI_RESPONSE_TMF_COMPLETE), kStale);
  }
  EXPECT_EQ(tmf_answers, 1);
  EXPECT_EQ(tmf_response, ISCSI_RESPONSE_TMF_INVALID_LUN);
  { TaskManagement forgotten(1, 3, false, ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 0, nullptr); }
  EXPECT_EQ(tmf_answers, 2);
  EXPECT_EQ(tmf_response, ISCSI_RESPONSE_TMF_FUNCTION_REJECTED);
  {
    TaskManagement refused(1, 4, false, ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 0, nullptr);
    EXPECT_EQ(refused.refuse(kInvalid), kInvalid);
    TaskManagement kept(1, 5, false, ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 0, nullptr);
    EXPECT_EQ(kept.release(), 5u);
  }
  EXPECT_EQ(tmf_answers, 2);
}

TEST(CxxDriver, AnswersALoginCheckOnce) {
  login_answers = 0;
  {
    LoginCheck check(1, true);
    check.accept(64);
    check.refuse(2, 2);
  }
  EXPECT_EQ(login_answers, 1);
  EXPECT_EQ(login_class, ISCSI_LOGIN_STATUS_CLASS_SUCCESS);
  EXPECT_EQ(login_max_cmd, 64u);
  { LoginCheck forgotten(2, false); }
  EXPECT_EQ(login_answers, 2);
  EXPECT_EQ(login_class, ISCSI_LOGIN_STATUS_CLASS_TARGET_ERROR);
  {
    LoginCheck check(3, false);
    LoginCheck moved(std::move(check));
    moved.release();
  }
  EXPECT_EQ(login_answers, 2);
}

// ---- Registration ----

struct CountingPause {
  int* count;
  void operator()(const char*, unsigned) const { ++*count; }
};

TEST(CxxDriver, TakesEverythingAwayInOrderAndAsOftenAsNeeded) {
  SmallTarget target;
  SmallLun lun;
  int pauses = 0;
  control_calls.clear();
  {
    Registration<CountingPause> registration(CountingPause{&pauses});
    ASSERT_EQ(registration.start(target.make_table(name), lun.make_table(name, 0)), 0);
    EXPECT_EQ(registration.start(target.table(), lun.table()), kBusy);
    ASSERT_EQ(registration.add_target(&target, name, name, 5), 0);
    EXPECT_TRUE(registration.is_running());
    EXPECT_EQ(registration.reconfigure_target(name, 5), 0);
    busy_answers = 2;
  }
  EXPECT_EQ(pauses, 2);
  const std::vector<std::string> expected = {
      "target_add",    "target_reconfig",      "target_remove",   "target_remove",
      "target_remove", "lun_class_deregister", "class_deregister"};
  EXPECT_EQ(control_calls, expected);
  EXPECT_EQ(registered_lun, nullptr);
  EXPECT_EQ(registered_target, nullptr);
}

TEST(CxxDriver, TakesTheTargetClassBackWhenTheLunClassIsRefused) {
  SmallTarget target;
  SmallLun lun;
  int pauses = 0;
  control_calls.clear();
  register_error = -17;
  Registration<CountingPause> registration(CountingPause{&pauses});
  EXPECT_EQ(registration.start(target.make_table(name), lun.make_table(name, 0)), -17);
  EXPECT_EQ(control_calls, std::vector<std::string>{"class_deregister"});
  EXPECT_EQ(registration.add_target(&target, name, name, 5), kBusy);
  registration.stop();
  EXPECT_EQ(control_calls.size(), 1u);
}

}  // namespace
