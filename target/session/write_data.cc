// SPDX-License-Identifier: GPL-2.0-only
//
// Placing and soliciting the data of a write (RFC 7143 sections 4.2.5.2 and 11.8).
#include "target/session/write_data.hh"

#include "target/rx/rx.hh"

namespace chiscsi::write_data {

namespace {

// How long the peer may take for a byte of solicited or unsolicited data.
constexpr uint64_t kDataWaitMs = 60'000;

// Whether data that was announced or asked for is still on its way (RFC 7143 sections 7.8, 11.4.2
// and 11.17.1).
bool is_expected(const Command& command) {
  return command.unsolicited_open || command.r2ts_outstanding != 0;
}

bool is_taking_data(const Command& command) {
  return command.state == CommandState::kAtDriver || command.state == CommandState::kAtTarget;
}

BufferPhase* phase_at(Command& command, uint32_t offset) {
  return command.phases.find([&](const BufferPhase& phase) {
    return offset >= phase.offset && offset - phase.offset < phase.wire_length;
  });
}

void note_progress(Command& command, BufferPhase& phase, uint32_t count) {
  phase.done += count;
  if (command.connection != nullptr) command.connection->status.traffic.write_received(count);
  if (phase.done >= phase.wire_length) command.session.add_work(command);
}

// Copies what came unsolicited to the lists that cover it.
void place_unsolicited(Command& command) {
  while (command.unsolicited_placed < command.unsolicited_received) {
    const uint32_t offset = command.unsolicited_placed;
    BufferPhase* phase = phase_at(command, offset);
    if (phase == nullptr) return;
    const uint32_t in_phase = phase->wire_length - (offset - phase->offset);
    const uint32_t waiting = command.unsolicited_received - offset;
    const uint32_t count = waiting < in_phase ? waiting : in_phase;
    SgCursor cursor(phase->list(), offset - phase->offset, count);
    cursor.copy_in(Bytes(command.unsolicited.data() + offset, count));
    command.unsolicited_placed += count;
    note_progress(command, *phase, count);
  }
}

bool send_r2t(Command& command, BufferPhase& phase) {
  R2t* r2t = command.session.r2ts.take();
  if (r2t == nullptr) return false;
  const uint32_t left = phase.wire_length - (command.solicited_to - phase.offset);
  const uint32_t burst = command.session.parameters.max_burst_length;
  r2t->command = &command;
  r2t->phase = &phase;
  r2t->offset = command.solicited_to;
  r2t->length = left < burst ? left : burst;
  r2t->r2t_sn = command.r2t_sn++;
  command.solicited_to += r2t->length;
  ++command.r2ts_outstanding;
  command.connection->queue(*r2t);
  command.session.watch(command, kDataWaitMs);
  return true;
}

// The transport, which places data for the command, is to let go of its buffers.
void ask_for_release(Command& command) {
  if (!command.placed.exists() || command.placed.asked || command.connection == nullptr) return;
  command.placed.asked = true;
  command.connection->conn().release(command.placed);
  command.session.watch(command, kDataWaitMs);
}

void solicit(Command& command) {
  if (command.unsolicited_open || command.connection == nullptr || command.placed.asked) return;
  if (command.solicited_to < command.unsolicited_received) {
    command.solicited_to = command.unsolicited_received;
  }
  const uint32_t limit = command.session.parameters.max_outstanding_r2t;
  while (command.r2ts_outstanding < limit) {
    BufferPhase* phase = phase_at(command, command.solicited_to);
    if (phase == nullptr) return;
    if (!send_r2t(command, *phase)) {
      // Tried again when the next R2T of the session is over, or by the sweep.
      command.session.r2ts_missing = true;
      return command.session.watch_soon();
    }
  }
}

// The response has waited for what is over now.
void queue_awaited_response(Command& command) {
  const bool waits = command.conclusion_known && !command.response_queued;
  if (waits && !delays_response(command) && command.connection != nullptr) {
    command.connection->queue(command);
  }
}

}  // namespace

void advance(Command& command) {
  if (!is_taking_data(command) || command.failed || command.silent) return;
  place_unsolicited(command);
  solicit(command);
}

// Not while data before it waits for its list, nor where it reaches over the end of one.
bool find_unsolicited_place(Command& command, uint32_t count, SgCursor* place) {
  const uint32_t offset = command.unsolicited_received;
  if (!is_taking_data(command) || command.unsolicited_placed != offset) return false;
  const BufferPhase* phase = phase_at(command, offset);
  if (phase == nullptr || count > phase->wire_length - (offset - phase->offset)) return false;
  *place = SgCursor(phase->list(), offset - phase->offset, count);
  return true;
}

void unsolicited_received(Command& command, uint32_t count, bool in_list) {
  const uint32_t offset = command.unsolicited_received;
  command.unsolicited_received += count;
  if (in_list) {
    command.unsolicited_placed += count;
    const bool still_wanted = is_taking_data(command) && !command.failed && !command.silent;
    if (still_wanted) note_progress(command, *phase_at(command, offset), count);
  }
  advance(command);
}

void retry_missing_r2ts(Session& session) {
  if (!std::exchange(session.r2ts_missing, false)) return;
  session.commands.for_each([](Command& command) {
    if (command.is_write()) advance(command);
  });
}

void received(R2t& r2t, uint32_t count) {
  Command& command = *r2t.command;
  BufferPhase& phase = *r2t.phase;
  r2t.received += count;
  note_progress(command, phase, count);
  if (r2t.received == r2t.length) {
    command.session.r2ts.give_back(r2t);
    --command.r2ts_outstanding;
    solicit(command);
    // Nothing more of what is lent is to come: the phases can go back.
    if (command.r2ts_outstanding == 0) ask_for_release(command);
    retry_missing_r2ts(command.session);
  }
  wait_for_rest(command);
}

void released(Command& command) {
  wait_for_rest(command);
  queue_awaited_response(command);
  // The driver hears of it when the transport has returned.
  command.event.request(command.session.worker());
}

void drained(R2t& r2t, uint32_t count, bool final) {
  Command& command = *r2t.command;
  r2t.received += count;
  if (command.tmf != nullptr) rx::tmf_data_came(*command.tmf);
  if (final || r2t.received >= r2t.length) {
    command.session.r2ts.give_back(r2t);
    --command.r2ts_outstanding;
    if (command.r2ts_outstanding == 0) ask_for_release(command);
    retry_missing_r2ts(command.session);
  }
  wait_for_rest(command);
  queue_awaited_response(command);
}

void wait_for_rest(Command& command) {
  // While the driver is asked to abort, the limit is that of its answer.
  if (command.state == CommandState::kAborting) return;
  command.deadline_ms = 0;
  const bool awaits_data = is_expected(command) && !command.silent;
  if (awaits_data || command.placed.asked) command.session.watch(command, kDataWaitMs);
}

bool delays_response(const Command& command) {
  return is_expected(command) || command.placed.exists();
}

void unsolicited_complete(Command& command) {
  command.unsolicited_open = false;
  wait_for_rest(command);
  queue_awaited_response(command);
  advance(command);
}

void fail(Command& command, SenseCode sense) {
  if (command.failed || command.conclusion_known) return;
  command.failed = true;
  command.failure = sense;
  drain(command);
  // Before anybody has seen the command, its delivery becomes the answer.
  if (is_taking_data(command)) command.session.add_work(command);
}

void drain(Command& command) {
  if (command.connection == nullptr) return cancel(command);
  R2tPool& pool = command.session.r2ts;
  pool.for_each([&](R2t& r2t) {
    if (r2t.command != &command) return;
    r2t.phase = nullptr;
    if (!r2t.tx_node.is_linked()) return;
    pool.give_back(r2t);
    --command.r2ts_outstanding;
  });
  // Before the rest has come a transport could let go of the buffers only by ending the connection.
  if (command.r2ts_outstanding == 0) ask_for_release(command);
}

void cancel(Command& command) {
  ask_for_release(command);
  // Nobody knows when the rest of a PDU comes that has begun: it does not hold up the end.
  const bool arrives = command.silent && command.receiving && command.connection != nullptr;
  if (arrives) command.connection->discard_arriving(command);
  if (command.r2ts_outstanding == 0) return;
  R2tPool& pool = command.session.r2ts;
  pool.for_each([&](R2t& r2t) {
    if (r2t.command == &command) pool.give_back(r2t);
  });
  command.r2ts_outstanding = 0;
}

void release_unsolicited(Command& command) {
  if (command.unsolicited) {
    command.session.worker().bounce_pool().give_back(std::move(command.unsolicited));
  }
}

}  // namespace chiscsi::write_data
