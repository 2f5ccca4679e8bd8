// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The storage driver API for drivers written in C++17 or later, freestanding: no exceptions, no
// RTTI, no standard header, no allocation. Everything is inline and costs what the C calls cost.
//
// What it adds to the C headers, which stay the documentation of every call and hook:
//
//  * A driver writes member functions; TargetClass and LunClass make the tables of hooks from them.
//    A hook that the driver does not write stays NULL, a mandatory one that is missing does not
//    compile.
//  * Command, LoginCheck and TaskManagement are handles that are completed exactly once. They move
//    and are not copied; one that is dropped without an answer gives the cautious one, so nothing
//    waits for ever because a path was forgotten. release() is the way out of that.
//  * Registration makes classes and a target known, and takes them away in the right order, as
//    often as the target asks for it.
//
// A handle has no lock: the calls about one command are made one after the other, under whatever
// lock the driver has for it.
#ifndef CHISCSI_DRIVER_HH
#define CHISCSI_DRIVER_HH

#include "iscsi_target_class.h"

namespace chiscsi_driver {

// Error numbers the API returns, and those a hook may (asm-generic/errno.h).
constexpr int kNoEntry = -2;
constexpr int kNoMemory = -12;
constexpr int kBusy = -16;
constexpr int kInvalid = -22;
constexpr int kStale = -116;

// SAM status codes a driver commonly needs.
constexpr unsigned char kStatusGood = 0x00;
constexpr unsigned char kStatusCheckCondition = 0x02;
constexpr unsigned char kStatusBusy = 0x08;
constexpr unsigned char kStatusTaskSetFull = 0x28;

struct SenseCode {
  unsigned char key;
  unsigned char asc;
  unsigned char ascq;
};
constexpr SenseCode kAborted{0x0b, 0x00, 0x00};

// An array of struct chiscsi_sgvec as the API passes it around. Not owned.
struct BufferList {
  chiscsi_sgvec* elements;
  unsigned int count;

  unsigned char* for_api() const { return reinterpret_cast<unsigned char*>(elements); }
};

// A part of a command's data: the arguments of a transfer.
struct Extent {
  unsigned int offset;
  unsigned int length;

  unsigned int end() const { return offset + length; }
};

// ---- A command ----

// What may be known of a command from its arrival to its cleanup. A pointer, passed by value.
class CommandView {
 public:
  CommandView() = default;
  explicit CommandView(chiscsi_scsi_command* command) : command_(command) {}

  bool empty() const { return command_ == nullptr; }
  chiscsi_scsi_command* raw() const { return command_; }
  const unsigned char* cdb() const { return command_->sc_cmd; }
  unsigned int lun() const { return command_->sc_lun; }
  unsigned int initiator_task_tag() const { return command_->sc_itt; }
  unsigned int cmd_sn() const { return command_->sc_CmdSN; }
  unsigned int transfer_length() const { return command_->sc_xfer_len; }
  unsigned char attribute() const { return command_->sc_attribute; }
  bool is_write() const { return (command_->sc_flag & SC_FLAG_WRITE) != 0; }
  bool is_immediate() const { return (command_->sc_flag & SC_FLAG_IMMEDIATE_CMD) != 0; }
  // What session_added() returned.
  unsigned long session() const { return command_->sc_tclass_sess_priv; }

  // The driver's own object of this command (sc_sdev_hdl); nullptr until it is set.
  template <typename T>
  T* data() const {
    return static_cast<T*>(command_->sc_sdev_hdl);
  }
  void set_data(void* object) const { command_->sc_sdev_hdl = object; }

  void set_status(unsigned char status) const { command_->sc_status = status; }
  // CHECK CONDITION with sense data that the target builds.
  void set_sense(SenseCode sense) const {
    command_->sc_status = kStatusCheckCondition;
    command_->sc_response = CHISCSI_RESPONSE_COMPLETED;
    command_->sc_sense_key = sense.key;
    command_->sc_sense_asc = sense.asc;
    command_->sc_sense_ascq = sense.ascq;
    command_->sc_flag |= SC_FLAG_SENSE;
  }
  // The device has `surplus` bytes more than the initiator expects.
  void set_overflow(unsigned int surplus) const {
    command_->sc_flag |= SC_FLAG_XFER_OVERFLOW;
    command_->sc_xfer_residualcount = surplus;
  }
  // Only `length` bytes are transferred, `missing` fewer than the initiator expects.
  void set_underflow(unsigned int length, unsigned int missing) const {
    command_->sc_flag |= SC_FLAG_XFER_UNDERFLOW;
    command_->sc_xfer_residualcount = missing;
    command_->sc_xfer_len = length;
  }
  void clear_residual() const {
    command_->sc_flag &= ~static_cast<unsigned int>(SC_FLAG_XFER_OVERFLOW | SC_FLAG_XFER_UNDERFLOW);
    command_->sc_xfer_residualcount = 0;
  }
  void dump() const { chiscsi_iscsi_command_dump(command_); }

 private:
  chiscsi_scsi_command* command_ = nullptr;
};

// The right to end a command. It ends once for the driver, and once more when the target asks for
// it back. A Command that goes while it is open ends the command with ABORTED COMMAND.
//
// A call that is taken may let another CPU clean the command up before it returns, so the handle
// notes the outcome before it makes the call, and touches neither itself nor the command after a
// success.
class Command {
 public:
  enum class Part : unsigned char { kMore, kLast };

  Command() = default;
  explicit Command(chiscsi_scsi_command* command) : view_(command), state_(State::kOpen) {}
  Command(Command&& other) noexcept : view_(other.view_), state_(other.state_) { other.forget(); }
  Command& operator=(Command&& other) noexcept {
    if (this == &other) return *this;
    end_if_open();
    view_ = other.view_;
    state_ = other.state_;
    other.forget();
    return *this;
  }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  ~Command() { end_if_open(); }

  // The command itself, until its cleanup; also after it was ended.
  CommandView view() const { return view_; }
  const CommandView* operator->() const { return &view_; }
  // The driver has the command and has not ended it.
  bool is_open() const { return state_ == State::kOpen; }
  // The driver owes something: the end of the command, or the answer to an abort.
  bool is_owed() const { return state_ != State::kDone; }

  // Lends memory for write data. Returns what the target says; 0 or more: taken.
  int lend(BufferList list, Extent part) {
    if (state_ != State::kOpen) return kStale;
    return chiscsi_scsi_cmd_buffer_ready(view_.raw(), list.for_api(), list.count, part.offset,
                                         part.length);
  }
  // Hands over read data; with Part::kLast it ends the command with the status that is set.
  int send(BufferList list, Extent part, Part which) {
    if (state_ != State::kOpen) return kStale;
    if (which == Part::kLast) state_ = State::kDone;
    return settle(State::kOpen,
                  chiscsi_scsi_cmd_execution_status(view_.raw(), list.for_api(), list.count,
                                                    part.offset, part.length));
  }
  // Ends the command with the status that is set, or answers the abort: the right call for each.
  int finish() {
    const State before = state_;
    if (before == State::kDone) return kStale;
    const bool session_ends = before == State::kAborting && is_session_abort();
    state_ = State::kDone;
    return settle(before, session_ends
                              ? chiscsi_scsi_cmd_abort_status(view_.raw())
                              : chiscsi_scsi_cmd_execution_status(view_.raw(), nullptr, 0, 0, 0));
  }
  int finish(SenseCode sense) {
    if (state_ == State::kDone) return kStale;
    view_.set_sense(sense);
    return finish();
  }
  // Asks the target to abort the command; abort_done() answers.
  int abort() {
    if (state_ != State::kOpen) return kStale;
    state_ = State::kDone;
    return settle(State::kOpen, chiscsi_scsi_cmd_abort(view_.raw()));
  }
  // In command_received(): the target is to end it. Returns `error` for the hook to return.
  int refuse(int error) {
    state_ = State::kDone;
    return error;
  }
  // In abort(): the command is to be given back; finish() answers.
  void on_abort() { state_ = State::kAborting; }
  // In cleanup(): the command is over.
  void forget() {
    view_ = CommandView();
    state_ = State::kDone;
  }
  // Gives up the right without using it: from here on the C calls are the driver's own business.
  chiscsi_scsi_command* release() {
    state_ = State::kDone;
    return view_.raw();
  }

 private:
  enum class State : unsigned char { kDone, kOpen, kAborting };

  bool is_session_abort() const { return (view_.raw()->sc_flag & SC_FLAG_SESS_ABORT) != 0; }
  // Refused but for kStale: nothing has changed hands, so the command is still there and ours.
  int settle(State before, int result) {
    if (result < 0 && result != kStale) state_ = before;
    return result;
  }
  void end_if_open() {
    if (state_ != State::kDone) finish(kAborted);
  }

  CommandView view_;
  State state_ = State::kDone;
};

// A command that the driver asked the target to abort is over. It may be gone: this is a copy.
struct AbortedCommand {
  unsigned int lun;
  unsigned int cmd_sn;
  unsigned int initiator_task_tag;
  BufferList list;  // The list that was with the target, the driver's again.
  void* data;       // sc_sdev_hdl
};

// ---- Task management and logins ----

// A task management function, answered once. Dropped: "function rejected".
class TaskManagement {
 public:
  TaskManagement(unsigned long session, unsigned long handle, bool immediate,
                 unsigned char function, unsigned int lun, chiscsi_scsi_command* command)
      : session_(session),
        handle_(handle),
        command_(command),
        lun_(lun),
        function_(function),
        immediate_(immediate),
        owed_(true) {}
  TaskManagement(TaskManagement&& other) noexcept
      : session_(other.session_),
        handle_(other.handle_),
        command_(other.command_),
        lun_(other.lun_),
        function_(other.function_),
        immediate_(other.immediate_),
        owed_(other.owed_) {
    other.owed_ = false;
  }
  TaskManagement& operator=(TaskManagement&&) = delete;
  TaskManagement(const TaskManagement&) = delete;
  TaskManagement& operator=(const TaskManagement&) = delete;
  ~TaskManagement() { answer(ISCSI_RESPONSE_TMF_FUNCTION_REJECTED); }

  unsigned long session() const { return session_; }  // What session_added() returned.
  unsigned char function() const { return function_; }
  unsigned int lun() const { return lun_; }
  bool is_immediate() const { return immediate_; }
  // The command of ABORT TASK, else empty. Valid until the driver has ended it.
  CommandView command() const { return CommandView(command_); }

  int answer(unsigned char response) {
    if (!owed_) return kStale;
    owed_ = false;
    return chiscsi_tmf_execution_done(handle_, response, command_);
  }
  // The hook's own refusal: returns `error` for it to return.
  int refuse(int error) {
    owed_ = false;
    return error;
  }
  unsigned long release() {
    owed_ = false;
    return handle_;
  }

 private:
  unsigned long session_;
  unsigned long handle_;
  chiscsi_scsi_command* command_;
  unsigned int lun_;
  unsigned char function_;
  bool immediate_;
  bool owed_;
};

// A login that waits for the driver's word, given once. Dropped: refused with a target error.
class LoginCheck {
 public:
  LoginCheck(unsigned long handle, bool first) : handle_(handle), first_(first), owed_(true) {}
  LoginCheck(LoginCheck&& other) noexcept
      : handle_(other.handle_), first_(other.first_), owed_(other.owed_) {
    other.owed_ = false;
  }
  LoginCheck& operator=(LoginCheck&&) = delete;
  LoginCheck(const LoginCheck&) = delete;
  LoginCheck& operator=(const LoginCheck&) = delete;
  ~LoginCheck() {
    refuse(ISCSI_LOGIN_STATUS_CLASS_TARGET_ERROR, ISCSI_LOGIN_STATUS_DETAIL_TARG_ERROR);
  }

  // The login goes on. `max_cmd`: command window of the session, 0 for the configured one; it
  // counts in the first check only.
  void accept(unsigned int max_cmd = 0) { answer(ISCSI_LOGIN_STATUS_CLASS_SUCCESS, 0, max_cmd); }
  void refuse(unsigned char status_class, unsigned char status_detail) {
    answer(status_class, status_detail, 0);
  }
  unsigned long release() {
    owed_ = false;
    return handle_;
  }

 private:
  void answer(unsigned char status_class, unsigned char status_detail, unsigned int max_cmd) {
    if (!owed_) return;
    owed_ = false;
    if (first_) {
      chiscsi_target_first_login_check_done(handle_, status_class, status_detail, max_cmd);
    } else {
      chiscsi_target_login_stage_check_done(handle_, status_class, status_detail);
    }
  }

  unsigned long handle_;
  bool first_;
  bool owed_;
};

// Who asks. The strings and the endpoints are the target's, and valid while the hook runs.
struct Nexus {
  char* initiator;
  char* target;
  chiscsi_tcp_endpoints* endpoints;  // nullptr in hooks that have none
};

// ---- The classes ----

namespace detail {

// The class a member function belongs to; void for a static one.
template <typename Member>
struct OwnerOf {
  using Type = void;
};
template <typename Class, typename Function>
struct OwnerOf<Function Class::*> {
  using Type = Class;
};

template <typename A, typename B>
struct IsSame {
  static constexpr bool kValue = false;
};
template <typename A>
struct IsSame<A, A> {
  static constexpr bool kValue = true;
};

// Whether `Member`, looked up in a driver's class, was written there and not inherited from `Base`.
template <typename Base, typename Member>
constexpr bool kWritten = !IsSame<typename OwnerOf<Member>::Type, Base>::kValue;

template <typename Thunk>
constexpr Thunk pick(bool wanted, Thunk thunk) {
  return wanted ? thunk : nullptr;
}

}  // namespace detail

// Base of a driver's target class: `class Mine : public TargetClass<Mine>` with public member
// functions, static or not, of these names. One object of each such class can be registered.
template <typename Driver>
class TargetClass {
 public:
  // The hooks; what a driver does not write stays NULL in the table (iscsi_target_class.h).
  void first_login_check(LoginCheck, const Nexus&) {}
  void login_stage_check(LoginCheck, unsigned char /*stage*/, const Nexus&) {}
  void chap_info_get(const Nexus&, chap_info&) {}
  unsigned long session_added(unsigned long /*handle*/, const unsigned char* /*isid*/,
                              const Nexus&) {
    return 0;
  }
  void session_removed(unsigned long /*handle*/, const Nexus&) {}
  int discovery_target_accessible(unsigned long /*handle*/, const Nexus&) { return 1; }
  int select_redirection_portal(const Nexus&) { return kInvalid; }

  // Fills the table. `name` and the object must outlive the registration.
  chiscsi_target_class& make_table(char* name) {
    object_ = static_cast<Driver*>(this);
    table_ = chiscsi_target_class();
    table_.class_name = name;
    table_.fp_first_login_check =
        detail::pick(written<decltype(&Driver::first_login_check)>(), &on_first_check);
    table_.fp_login_stage_check =
        detail::pick(written<decltype(&Driver::login_stage_check)>(), &on_stage_check);
    table_.fp_chap_info_get =
        detail::pick(written<decltype(&Driver::chap_info_get)>(), &on_chap_info_get);
    table_.fp_session_added =
        detail::pick(written<decltype(&Driver::session_added)>(), &on_session_added);
    table_.fp_session_removed =
        detail::pick(written<decltype(&Driver::session_removed)>(), &on_session_removed);
    table_.fp_discovery_target_accessible =
        detail::pick(written<decltype(&Driver::discovery_target_accessible)>(), &on_accessible);
    table_.fp_select_redirection_portal =
        detail::pick(written<decltype(&Driver::select_redirection_portal)>(), &on_redirect);
    return table_;
  }
  chiscsi_target_class& table() { return table_; }

 private:
  template <typename Member>
  static constexpr bool written() {
    return detail::kWritten<TargetClass, Member>;
  }

  static void on_first_check(unsigned long handle, char* initiator, char* target,
                             chiscsi_tcp_endpoints* endpoints) {
    object_->first_login_check(LoginCheck(handle, true), Nexus{initiator, target, endpoints});
  }
  static void on_stage_check(unsigned long handle, unsigned char stage, char* initiator,
                             char* target, chiscsi_tcp_endpoints* endpoints) {
    object_->login_stage_check(LoginCheck(handle, false), stage,
                               Nexus{initiator, target, endpoints});
  }
  static void on_chap_info_get(char* initiator, char* target, chap_info* chap) {
    object_->chap_info_get(Nexus{initiator, target, nullptr}, *chap);
  }
  static unsigned long on_session_added(unsigned long handle, unsigned char isid[6],
                                        char* initiator, char* target) {
    return object_->session_added(handle, isid, Nexus{initiator, target, nullptr});
  }
  static void on_session_removed(unsigned long handle, char* initiator, char* target) {
    object_->session_removed(handle, Nexus{initiator, target, nullptr});
  }
  static int on_accessible(unsigned long handle, char* initiator, char* target,
                           chiscsi_tcp_endpoints* endpoints) {
    return object_->discovery_target_accessible(handle, Nexus{initiator, target, endpoints});
  }
  // The API names the target first here.
  static int on_redirect(char* target, char* initiator, chiscsi_tcp_endpoints* endpoints) {
    return object_->select_redirection_portal(Nexus{initiator, target, endpoints});
  }

  inline static Driver* object_ = nullptr;
  chiscsi_target_class table_ = {};
};

// Base of a driver's LUN class, in the same manner.
template <typename Driver>
class LunClass {
 public:
  // Mandatory.
  int command_received(Command command) { return command.refuse(kInvalid); }
  int data_transferred(CommandView, BufferList, Extent) { return 0; }
  int abort(CommandView) { return kInvalid; }
  int task_management(TaskManagement tmf) { return tmf.refuse(kInvalid); }
  // Optional. abort_done() is mandatory for who calls Command::abort().
  void abort_done(const AbortedCommand&) {}
  void cleanup(CommandView) {}
  int execute_queued(CommandView) { return kInvalid; }
  // Optional, for TargetDevice lines only.
  int parse_options(unsigned long /*handle*/, char* /*text*/, int /*length*/, char* /*error*/) {
    return kInvalid;
  }
  int attach(unsigned long /*handle*/, char* /*error*/, int /*error_size*/) { return kInvalid; }
  int reattach(unsigned long /*handle*/, unsigned long /*fresh*/, char* /*error*/,
               int /*error_size*/) {
    return kInvalid;
  }
  void detach(unsigned long /*handle*/) {}
  int flush(unsigned long /*handle*/) { return 0; }

  // Fills the table. `name` and the object must outlive the registration.
  chiscsi_target_lun_class& make_table(char* name, unsigned int property) {
    static_assert(written<decltype(&Driver::command_received)>() &&
                      written<decltype(&Driver::data_transferred)>() &&
                      written<decltype(&Driver::abort)>() &&
                      written<decltype(&Driver::task_management)>(),
                  "command_received, data_transferred, abort and task_management are mandatory");
    object_ = static_cast<Driver*>(this);
    table_ = chiscsi_target_lun_class();
    table_.class_name = name;
    table_.property = property;
    table_.fp_scsi_cmd_cdb_rcved = &on_command_received;
    table_.fp_scsi_cmd_data_xfer_status = &on_data_transferred;
    table_.fp_scsi_cmd_abort = &on_abort;
    table_.fp_tmf_execute = &on_task_management;
    table_.fp_scsi_cmd_abort_status =
        detail::pick(written<decltype(&Driver::abort_done)>(), &on_abort_done);
    table_.fp_scsi_cmd_cleanup = detail::pick(written<decltype(&Driver::cleanup)>(), &on_cleanup);
    table_.fp_queued_scsi_cmd_exe =
        detail::pick(written<decltype(&Driver::execute_queued)>(), &on_execute_queued);
    table_.fp_config_parse_options =
        detail::pick(written<decltype(&Driver::parse_options)>(), &on_parse_options);
    table_.fp_attach = detail::pick(written<decltype(&Driver::attach)>(), &on_attach);
    table_.fp_reattach = detail::pick(written<decltype(&Driver::reattach)>(), &on_reattach);
    table_.fp_detach = detail::pick(written<decltype(&Driver::detach)>(), &on_detach);
    table_.fp_flush = detail::pick(written<decltype(&Driver::flush)>(), &on_flush);
    return table_;
  }
  chiscsi_target_lun_class& table() { return table_; }

 private:
  template <typename Member>
  static constexpr bool written() {
    return detail::kWritten<LunClass, Member>;
  }

  static int on_command_received(chiscsi_scsi_command* command) {
    return object_->command_received(Command(command));
  }
  static int on_data_transferred(chiscsi_scsi_command* command, unsigned char* list,
                                 unsigned int count, unsigned int offset, unsigned int length) {
    // The API passes arrays of struct chiscsi_sgvec as bytes.
    auto* elements = static_cast<chiscsi_sgvec*>(static_cast<void*>(list));
    return object_->data_transferred(CommandView(command), BufferList{elements, count},
                                     Extent{offset, length});
  }
  static int on_abort(chiscsi_scsi_command* command) {
    return object_->abort(CommandView(command));
  }
  static int on_task_management(unsigned long session, unsigned long handle,
                                unsigned char immediate, unsigned char function, unsigned int lun,
                                chiscsi_scsi_command* command) {
    return object_->task_management(
        TaskManagement(session, handle, immediate != 0, function, lun, command));
  }
  static void on_abort_done(unsigned int lun, unsigned int cmd_sn, unsigned int task_tag,
                            unsigned int count, unsigned char* list, void* data) {
    auto* elements = static_cast<chiscsi_sgvec*>(static_cast<void*>(list));
    object_->abort_done(AbortedCommand{lun, cmd_sn, task_tag, BufferList{elements, count}, data});
  }
  static void on_cleanup(chiscsi_scsi_command* command) { object_->cleanup(CommandView(command)); }
  static int on_execute_queued(chiscsi_scsi_command* command) {
    return object_->execute_queued(CommandView(command));
  }
  static int on_parse_options(unsigned long handle, char* text, int length, char* error) {
    return object_->parse_options(handle, text, length, error);
  }
  static int on_attach(unsigned long handle, char* error, int size) {
    return object_->attach(handle, error, size);
  }
  static int on_reattach(unsigned long handle, unsigned long fresh, char* error, int size) {
    return object_->reattach(handle, fresh, error, size);
  }
  static void on_detach(unsigned long handle) { object_->detach(handle); }
  static int on_flush(unsigned long handle) { return object_->flush(handle); }

  inline static Driver* object_ = nullptr;
  chiscsi_target_lun_class table_ = {};
};

// ---- Registration ----

// A target class, its LUN classes and a target, from their registration to the moment no hook is
// called any more. `Pause` says how to wait: `pause(what, round)` sleeps for a while and returns;
// `what` names the object that is still in use, for the log, and `round` counts from 1. The code of
// hooks must not go before stop() has returned, so nothing gives up. Process context, not in hooks.
template <typename Pause>
class Registration {
 public:
  explicit Registration(Pause pause) : pause_(pause) {}
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration() { stop(); }

  // Registers a target class and its LUN class, both or neither. 0 or a negative error.
  int start(chiscsi_target_class& target_class, chiscsi_target_lun_class& lun_class) {
    if (target_class_ != nullptr) return kBusy;
    int error = chiscsi_target_class_register(&target_class);
    if (error != 0) return error;
    target_class_ = &target_class;
    error = chiscsi_target_lun_class_register(&lun_class, target_class.class_name);
    if (error == 0) lun_class_ = &lun_class;
    if (error != 0) deregister();
    return error;
  }
  // Adds the target; `owner` and `name` must outlive it. 0 or a negative error.
  int add_target(void* owner, char* name, char* keys, int keys_length) {
    if (target_class_ == nullptr || target_name_ != nullptr) return kBusy;
    const int error = chiscsi_target_add(owner, name, target_class_->class_name, keys, keys_length);
    if (error != 0) return error;
    owner_ = owner;
    target_name_ = name;
    return 0;
  }
  int reconfigure_target(char* keys, int keys_length) {
    if (target_name_ == nullptr) return kNoEntry;
    return chiscsi_target_reconfig(owner_, target_name_, target_class_->class_name, keys,
                                   keys_length);
  }
  // Ends the sessions of the target and takes it away. 0, or why it could not be removed: then it
  // was somebody else who did it.
  int remove_target() {
    if (target_name_ == nullptr) return 0;
    const int error =
        persist("target", [this] { return chiscsi_target_remove(owner_, target_name_); });
    target_name_ = nullptr;
    return error;
  }
  // Takes the classes away. The target refuses while a command or a target is left.
  void deregister() {
    if (lun_class_ != nullptr) {
      persist("LUN class", [this] {
        return chiscsi_target_lun_class_deregister(lun_class_->class_name,
                                                   target_class_->class_name);
      });
    }
    lun_class_ = nullptr;
    if (target_class_ != nullptr) {
      persist("target class",
              [this] { return chiscsi_target_class_deregister(target_class_->class_name); });
    }
    target_class_ = nullptr;
  }
  // All of it. Harmless when there is nothing to stop. A driver that owes answers gives them in
  // between: remove_target(), its own wait, then stop().
  void stop() {
    remove_target();
    deregister();
  }
  bool is_running() const { return target_name_ != nullptr; }

 private:
  template <typename Call>
  int persist(const char* what, Call call) {
    for (unsigned int round = 1;; ++round) {
      const int error = call();
      if (error != kBusy) return error;
      pause_(what, round);
    }
  }

  Pause pause_;
  chiscsi_target_class* target_class_ = nullptr;
  chiscsi_target_lun_class* lun_class_ = nullptr;
  void* owner_ = nullptr;
  char* target_name_ = nullptr;
};

}  // namespace chiscsi_driver

#endif  // CHISCSI_DRIVER_HH
