// SPDX-License-Identifier: GPL-2.0-only
//
// The command window's arithmetic; all comparisons are serial (RFC 1982).
#include "target/session/command_window.hh"

namespace chiscsi {

void CommandWindow::start(Serial first, uint32_t size) {
  size_ = size == 0 ? 1 : size;
  exp_cmd_sn_ = first;
  max_cmd_sn_ = first + (size_ - 1);
}

Serial CommandWindow::max_cmd_sn() {
  const uint32_t room = active_ < size_ ? size_ - active_ : 0;
  const Serial limit = exp_cmd_sn_ + room - 1;
  if (limit > max_cmd_sn_) max_cmd_sn_ = limit;
  return max_cmd_sn_;
}

CommandWindow::Verdict CommandWindow::peek(Serial cmd_sn) {
  if (cmd_sn < exp_cmd_sn_ || cmd_sn > max_cmd_sn()) return Verdict::kIgnore;
  if (cmd_sn == exp_cmd_sn_) return Verdict::kExecute;
  const bool duplicate =
      held_.find([&](const Sequenced& held) { return held.cmd_sn == cmd_sn; }) != nullptr;
  return duplicate ? Verdict::kIgnore : Verdict::kHold;
}

CommandWindow::Verdict CommandWindow::accept(Serial cmd_sn) {
  const Verdict verdict = peek(cmd_sn);
  if (verdict == Verdict::kExecute) ++exp_cmd_sn_;
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
  if (first == nullptr || first->cmd_sn != exp_cmd_sn_) return nullptr;
  held_.remove(*first);
  ++exp_cmd_sn_;
  return first;
}

}  // namespace chiscsi
