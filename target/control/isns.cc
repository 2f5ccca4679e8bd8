// SPDX-License-Identifier: GPL-2.0-only
//
// What an iSNS server says about initiators, handed over by chisns: a list per target, replaced as
// a whole, and forgotten when it is taken back or when whoever gave it has gone (docs/control.md).
#include "os/log.h"
#include "target/config/number.hh"
#include "target/control/request.hh"
#include "target/engine.hh"

namespace chiscsi::control {

namespace isns_detail {

// A word of our own for what Target refuses.
Status explain(Status status, ConfigError* why) {
  why->clear();
  if (status.error() == Error::kBusy) why->add("the list comes from another process, which runs");
  if (status.error() == Error::kStale) why->add("version: older than the list in force");
  return status;
}

bool same_names(Span<const Text> a, Span<const Text> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == b[i])) return false;
  }
  return true;
}

// Said once per list that says something new.
void log_change(const Target& target, const InitiatorList* before, const InitiatorList& after) {
  if (before != nullptr && same_names(before->names(), after.names())) return;
  os_log(OS_LOG_INFO, "%s: iSNS allows %zu initiators", target.name_c_str(), after.names().size());
}

void log_end(const Target& target) {
  os_log(OS_LOG_INFO, "%s: nothing from iSNS any more", target.name_c_str());
}

}  // namespace isns_detail

Status allow_initiators(Request& request) {
  using namespace isns_detail;
  Word words[] = {{"target", true}, {"version", true}, {"initiator", false, true}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  uint64_t version = 0;
  if (!parse_number(words[1].value, NumberSyntax::kDecimal, &version) || version == 0) {
    request.why.clear();
    request.why.add("version: wants a number that is not 0, not ").add_quoted(words[1].value);
    return Error::kInvalid;
  }
  const Ref<Target> target = CHISCSI_TRY(find_target(request, words[0].value));
  Ref<InitiatorList> fresh =
      CHISCSI_TRY(InitiatorList::create(request.holder, version, request.in, &request.why));
  const Ref<InitiatorList> before = target->allowed_initiators();
  const Status status = target->allow_initiators(fresh);
  if (!status.is_ok()) return explain(status, &request.why);
  log_change(*target, before.get(), *fresh);
  return Status();
}

Status forget_initiators(Request& request) {
  using namespace isns_detail;
  Word words[] = {{"target", true}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  const Ref<Target> target = CHISCSI_TRY(find_target(request, words[0].value));
  if (target->forget_initiators(request.holder)) {
    log_end(*target);
  } else if (target->allowed_initiators()) {
    return explain(Error::kBusy, &request.why);
  }
  return Status();
}

void forget_holder(Engine& engine, unsigned long holder) {
  visit_targets(engine, [&](Target& target) {
    if (target.forget_initiators(holder)) isns_detail::log_end(target);
  });
}

// Access states of portal groups and the list of iSNS: what is in force and stands in no file.
Status show_target_state(Request& request) {
  Word words[] = {{"target", true}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  const Ref<Target> target = CHISCSI_TRY(find_target(request, words[0].value));
  const Ref<TargetSettings> settings = target->settings();
  Output& out = request.out;
  out.pair("target", target->name());
  for (const PortalGroupSettings& group : settings->portal_groups()) {
    const scsi::AccessState state = target->access_states().of(group.tag);
    out.begin("access").add_number(group.tag).add(":").add(scsi::access_state_name(state)).end();
  }
  if (const Ref<InitiatorList> listed = target->allowed_initiators()) {
    out.number("isns_version", listed->version());
    for (const Text name : listed->names())
      out.pair("isns_initiator", name);
  }
  out.end_record();
  return Status();
}

}  // namespace chiscsi::control
