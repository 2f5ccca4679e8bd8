// SPDX-License-Identifier: GPL-2.0-only
//
// Statistics: sums over what the workers have counted, each in memory of its own.
//
// Nothing is asked of a worker and nothing is reset. The record of a target is followed by those of
// its LUNs and its sessions; sessions that have ended stay in the target's sums, commands of a LUN
// that has left do so, too. Portals belong to no target and come last.
#include "base/lock.hh"
#include "target/config/address.hh"
#include "target/control/request.hh"
#include "target/engine.hh"

namespace chiscsi::control {

namespace {

using Sum = CommandCounters::Sum;

// Only what is not zero: "<upper end in us>:<count>", "more:<count>" for the last one.
void write_latency(Output& out, const Sum& sum) {
  out.begin("latency_us");
  bool first = true;
  for (uint32_t i = 0; i < CommandCounters::kBuckets; ++i) {
    if (sum.latency[i] == 0) continue;
    out.add(first ? "" : ",");
    if (i + 1 == CommandCounters::kBuckets) {
      out.add("more");
    } else {
      out.add_number(uint64_t{1} << i);
    }
    out.add(":").add_number(sum.latency[i]);
    first = false;
  }
  out.end();
}

void write_sum(Output& out, const Sum& sum) {
  out.number("commands", sum.commands);
  out.number("reads", sum.reads);
  out.number("writes", sum.writes);
  out.number("read_bytes", sum.read_bytes);
  out.number("write_bytes", sum.write_bytes);
  out.number("errors", sum.errors);
  out.number("aborts", sum.aborts);
  out.number("latency_total_us", sum.microseconds);
  write_latency(out, sum);
  out.end_record();
}

Sum sum_of(Target& target) {
  MutexGuard guard(target.mutex());
  Sum sum = target.ended_sessions;
  target.sessions().for_each([&](SessionEntry& entry) { entry.session->counters().add_to(&sum); });
  return sum;
}

void write_luns(Output& out, Target& target) {
  uint32_t generation;
  const Ref<LunMap> luns = target.luns(&generation);
  uint32_t number = 0;
  for (const Ref<Lun>& lun : luns->list()) {
    Sum sum;
    lun->counters.add_to(&sum);
    out.number("lun", number++);
    out.pair("device", lun->device().name);
    write_sum(out, sum);
  }
}

void write_sessions(Output& out, Target& target) {
  MutexGuard guard(target.mutex());
  target.sessions().for_each([&](SessionEntry& entry) {
    Session& session = *entry.session;
    Sum sum;
    session.counters().add_to(&sum);
    out.hex("session", session.handle.value);
    out.pair("initiator", session.parameters.initiator_name.text());
    write_sum(out, sum);
  });
}

void write_target(Output& out, Target& target) {
  const Sum sum = sum_of(target);
  out.pair("target", target.name());
  write_sum(out, sum);
  write_luns(out, target);
  write_sessions(out, target);
}

void write_portals(Output& out, Engine& engine) {
  engine.portals().visit([&](const os_address& address, Roster& roster) {
    const Roster::Summary summary = roster.summary();
    Sum sum;
    roster.commands.add_to(&sum);
    // The traffic is that of what has come so far (Guide 8.4).
    sum.reads = summary.traffic.read_cmd_cnt;
    sum.writes = summary.traffic.write_cmd_cnt;
    sum.read_bytes = summary.traffic.read_bytes;
    sum.write_bytes = summary.traffic.write_bytes;
    out.pair("portal", format_ip_and_port(address).text());
    out.number("connections", summary.connections);
    write_sum(out, sum);
  });
}

}  // namespace

Status show_statistics(Request& request) {
  Word words[] = {{"target", false}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  CHISCSI_TRY(
      visit_targets(request, words[0], [&](Target& target) { write_target(request.out, target); }));
  if (!words[0].given) write_portals(request.out, request.engine);
  return Status();
}

}  // namespace chiscsi::control
