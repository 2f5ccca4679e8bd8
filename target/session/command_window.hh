// SPDX-License-Identifier: GPL-2.0-only
//
// CommandWindow: ExpCmdSN, MaxCmdSN, and the requests that wait for their turn.
//
// Requests are executed in the order of their CmdSN (RFC 7143 section 4.2.2.1). One that comes
// before its turn is held; one outside the window, or one that was there before, is to be ignored.
// The window opens again as commands end, never by more than the session's limit, and MaxCmdSN
// never goes back. Worker-owned, but for numbers(); no I/O, no allocation.
#pragma once

#include "base/list.hh"
#include "base/published.hh"
#include "base/serial.hh"

namespace chiscsi {

// A request that may have to wait. Commands and held PDUs have one inside.
struct Sequenced {
  Serial cmd_sn;
  bool is_command = false;
  ListNode window_node;
};

class CommandWindow {
 public:
  enum class Verdict : uint8_t {
    kExecute,  // It is this request's turn; ExpCmdSN has moved past it.
    kHold,     // Give it to hold(); take_next() returns it when its turn has come.
    kIgnore,   // Outside of the window, or a duplicate.
  };

  // `first` is the CmdSN of the session's first numbered request; `size` at least 1.
  void start(Serial first, uint32_t size);

  // Looks at a numbered request without changing anything but, for kExecute, ExpCmdSN.
  Verdict accept(Serial cmd_sn);
  // What accept() would say, without any effect.
  Verdict peek(Serial cmd_sn);
  void hold(Sequenced& request);
  // A held request whose turn has come (it is unlinked, ExpCmdSN moves past it), or nullptr.
  Sequenced* take_next();
  // Any held request, unlinked: for teardown.
  Sequenced* drop_any() { return held_.pop_front(); }
  // Visits what is held; the visitor may remove the one it is given.
  template <typename Visit>
  void for_each_held(Visit visit) {
    held_.for_each(visit);
  }
  void remove(Sequenced& request) { request.window_node.unlink(); }

  // A command that occupies the window has started or ended; both move MaxCmdSN.
  void command_started() { ++active_; }
  void command_ended() {
    if (active_ != 0) --active_;
  }

  Serial exp_cmd_sn() const { return Serial(exp_cmd_sn_.get()); }
  // Recomputed at each call from what is active; never goes back.
  Serial max_cmd_sn();
  uint32_t size() const { return size_; }
  // True when `cmd_sn` has been received, or could not be received any more.
  bool is_past(Serial cmd_sn) const { return cmd_sn < exp_cmd_sn(); }

  // The window as a status reader sees it: `newest`, the highest CmdSN that has been received, is
  // never before `expected` - 1 and never after `last`. Context: any.
  struct Numbers {
    uint32_t newest;
    uint32_t expected;
    uint32_t last;
  };
  Numbers numbers() const;

 private:
  void note_received(Serial cmd_sn);
  void advance() { exp_cmd_sn_.add(1); }

  List<Sequenced, &Sequenced::window_node> held_;  // By CmdSN, without duplicates.
  Published<uint32_t> exp_cmd_sn_;
  Published<uint32_t> newest_cmd_sn_;
  Published<uint32_t> max_cmd_sn_;
  uint32_t size_ = 1;
  uint32_t active_ = 0;
};

}  // namespace chiscsi
