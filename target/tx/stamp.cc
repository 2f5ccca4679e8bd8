// SPDX-License-Identifier: GPL-2.0-only
//
// The one place that writes StatSN, ExpCmdSN and MaxCmdSN (RFC 7143 section 4.2.2).
#include "target/session/connection.hh"
#include "target/session/session.hh"
#include "target/tx/tx.hh"

namespace chiscsi::tx {

void stamp(Connection& connection, iscsi::Bhs& bhs, StatSnUse use) {
  auto& numbers = bhs.as<iscsi::ResponseNumbers>();
  numbers.stat_sn = use == StatSnUse::kNone ? 0 : connection.stat_sn.value();
  if (use == StatSnUse::kAdvance) {
    ++connection.stat_sn;
    connection.status.stat_sn.set(connection.stat_sn.value());
  }
  if (Session* session = connection.session()) {
    const uint32_t exp_cmd_sn = session->window.exp_cmd_sn().value();
    const uint32_t max_cmd_sn = session->window.max_cmd_sn().value();
    numbers.exp_cmd_sn = exp_cmd_sn;
    numbers.max_cmd_sn = max_cmd_sn;
    session->note_told(exp_cmd_sn, max_cmd_sn);
  }
}

}  // namespace chiscsi::tx
