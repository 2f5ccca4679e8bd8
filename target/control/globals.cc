// SPDX-License-Identifier: GPL-2.0-only
//
// Showing and changing the global settings.
#include "target/control/request.hh"
#include "target/engine.hh"

namespace chiscsi::control {

Status show_globals(Request& request) {
  CHISCSI_TRY(take_nothing(request));
  TextBuilder text;
  request.engine.globals().get()->print(&text, request.has(CHISCSI_CONTROL_SECRETS));
  if (!text.is_ok()) return Error::kNoMemory;
  request.out.copy(text.text());
  request.out.end_record();
  return Status();
}

Status set_globals(Request& request) {
  CHISCSI_TRY(request.out.reserve(kResultSize));
  CHISCSI_TRY(check_end(request.in, &request.why));
  Globals& globals = request.engine.globals();
  CHISCSI_TRY(globals.set(request.in, request.has(CHISCSI_CONTROL_DEFAULTS),
                          request.has(CHISCSI_CONTROL_CHECK), &request.why));
  const Ref<GlobalSettings> now = globals.get();
  if (now->offload_mode() == OffloadMode::kToe) {
    request.out.pair("warning", "iscsi_offload_mode: TOE means the same as AUTO");
    request.out.end_record();
  }
  return Status();
}

}  // namespace chiscsi::control
