// SPDX-License-Identifier: GPL-2.0-only
//
// The command window's arithmetic; all comparisons are serial (RFC 1982).
#include "target/session/command_window.hh"

namespace chiscsi {

void CommandWindow::start(Serial first, uint32_t size) {
  size_ = size == 0 ? 1 : size;
  exp_cmd_sn_.set(first.value());
  newest_cmd_sn_.set((first - 1).value());
  max_cmd_sn_.set((first + (size_ - 1)).value());
}

Serial CommandWindow::max_cmd_sn() {
  const uint32_t room = active_ < size_ ? size_ - active_ : 0;
  const Serial limit = exp_cmd_sn() + room - 1;
  if (limit > Serial(max_cmd_sn_.get())) max_cmd_sn_.set(limit.value());
  return Serial(max_cmd_sn_.get());
}

void CommandWindow::note_received(Serial cmd_sn) {
  if (cmd_sn > Serial(newest_cmd_sn_.get())) newest_cmd_sn_.set(cmd_sn.value());
}

// The numbers only grow, and the worker writes them in the opposite order.
CommandWindow::Numbers CommandWindow::numbers() const {
  Numbers numbers;
  numbers.expected = exp_cmd_sn_.get();
  numbers.newest = newest_cmd_sn_.get();
  numbers.last = max_cmd_sn_.get();
  return numbers;
}

CommandWindow::Verdict CommandWindow::peek(Serial cmd_sn) {
  if (cmd_sn < exp_cmd_sn() || cmd_sn > max_cmd_sn()) return Verdict::kIgnore;
  if (cmd_sn == exp_cmd_sn()) return Verdict::kExecute;
  const bool duplicate =
      held_.find([&](const Sequenced& held) { return held.cmd_sn == cmd_sn; }) != nullptr;
  return duplicate ? Verdict::kIgnore : Verdict::kHold;
}

CommandWindow::Verdict CommandWindow::accept(Serial cmd_sn) {
  const Verdict verdict = peek(cmd_sn);
  if (verdict != Verdict::kIgnore) note_received(cmd_sn);
  if (verdict == Verdict::kExecute) advance();
  return verdict;
}

void CommandWindow::hold(Sequenced& request) {
  Sequenced* later =
      held_.find([&](const Sequenced& held) { return held.cmd_sn > request.cmd_sn; });
  if (later != nullptr) {
    held_.insert_before(*later, request);
  } else {
    held_.push_back(request);
  }
}

Sequenced* CommandWindow::take_next() {
  Sequenced* first = held_.front();
  if (first == nullptr || first->cmd_sn != exp_cmd_sn()) return nullptr;
  held_.remove(*first);
  advance();
  return first;
}

}  // namespace chiscsi
