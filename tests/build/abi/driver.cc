// SPDX-License-Identifier: GPL-2.0-only
//
// A driver that uses all of chiscsi_driver.hh. It only has to compile, in C++17 and later, with and
// without a standard library: every hook, every handle, and the promises about their types.
#include "chiscsi_driver.hh"

using namespace chiscsi_driver;

template <typename T>
constexpr bool kCopies = __is_constructible(T, const T&) || __is_assignable(T&, const T&);
static_assert(!kCopies<Command> && !kCopies<LoginCheck> && !kCopies<TaskManagement>);
static_assert(__is_constructible(Command, Command&&) && __is_assignable(Command&, Command&&));
static_assert(__is_constructible(LoginCheck, LoginCheck&&));
static_assert(sizeof(CommandView) == sizeof(void*), "a view is a pointer");
static_assert(sizeof(Command) <= 2 * sizeof(void*));
static_assert(__is_trivially_copyable(CommandView) && __is_trivially_copyable(Extent));

class Target : public TargetClass<Target> {
 public:
  void first_login_check(LoginCheck check, const Nexus& nexus) {
    if (nexus.endpoints->f_ipv6 != 0) return check.refuse(ISCSI_LOGIN_STATUS_CLASS_TARGET_ERROR, 1);
    check.accept(max_cmd_);
  }
  static void login_stage_check(LoginCheck check, unsigned char, const Nexus&) { check.accept(); }
  static void chap_info_get(const Nexus&, chap_info& chap) {
    chap.flag |= CHAP_FLAG_MUTUAL_REQUIRED;
  }
  static unsigned long session_added(unsigned long handle, const unsigned char* isid,
                                     const Nexus&) {
    return handle + isid[0];
  }
  void session_removed(unsigned long, const Nexus&) { --max_cmd_; }
  static int discovery_target_accessible(unsigned long, const Nexus&) { return 1; }
  static int select_redirection_portal(const Nexus& nexus) {
    nexus.endpoints->taddr.port = 3261;
    return 0;
  }

 private:
  unsigned int max_cmd_ = 64;
};

class Lun : public LunClass<Lun> {
 public:
  int command_received(Command command) {
    if (command->attribute() == ISCSI_TASK_ATTRIBUTES_ACA) return command.refuse(kInvalid);
    if (command->is_immediate()) return command.abort();
    if (command->cdb()[0] == 0) return command.finish();
    const Extent all{0, command->transfer_length()};
    if (command->is_write()) {
      kept_ = static_cast<Command&&>(command);
      return kept_.lend({elements_, 2}, all);
    }
    command->set_underflow(512, all.length - 512);
    command->set_overflow(1);
    command->clear_residual();
    return command.send({elements_, 2}, all, Command::Part::kLast);
  }
  int data_transferred(CommandView command, BufferList list, Extent part) {
    command.set_data(list.elements);
    return part.end() == command.transfer_length() ? kept_.finish() : 0;
  }
  int abort(CommandView command) {
    kept_.on_abort();
    command.set_status(kStatusBusy);
    return kept_.finish(kAborted);
  }
  static void abort_done(const AbortedCommand& command) { command.list.elements->sg_length = 0; }
  static int task_management(TaskManagement tmf) {
    if (tmf.is_immediate() && !tmf.command().empty()) tmf.command().dump();
    return tmf.answer(ISCSI_RESPONSE_TMF_COMPLETE);
  }
  void cleanup(CommandView) { kept_.forget(); }
  static int execute_queued(CommandView) { return 0; }
  static int parse_options(unsigned long, char*, int, char*) { return 0; }
  static int attach(unsigned long, char*, int) { return 0; }
  static int reattach(unsigned long, unsigned long, char*, int) { return 0; }
  static void detach(unsigned long) {}
  static int flush(unsigned long) { return 0; }

 private:
  Command kept_;
  chiscsi_sgvec elements_[2] = {};
};

int run(char* name, char* keys, void (*pause)(const char*, unsigned int));
int run(char* name, char* keys, void (*pause)(const char*, unsigned int)) {
  Target target;
  Lun lun;
  Registration<void (*)(const char*, unsigned int)> registration(pause);
  const unsigned int property = 1U << LUN_CLASS_SCSI_PASS_THRU_BIT;
  int error = registration.start(target.make_table(name), lun.make_table(name, property));
  if (error == 0) error = registration.add_target(&target, name, keys, 1);
  if (error == 0) error = registration.reconfigure_target(keys, 1);
  registration.stop();
  return error;
}
