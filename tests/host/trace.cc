// SPDX-License-Identifier: GPL-2.0-only
//
// Trace points of the POSIX port: a ring of the last events, kept while a HostTrace lives. Events
// have the names of the kernel's, without the prefix "chiscsi_". Recorded under a mutex of its own,
// which is innermost everywhere and so may be taken under a spinlock of the port, too.
#include "os/trace.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <deque>
#include <mutex>

#include "host.hh"
#include "os/log.h"

unsigned int os_trace_listeners = 0;

namespace {

constexpr size_t kRingSize = 4096;

struct Ring {
  std::mutex lock;
  std::deque<HostTrace::Event> events;
};
// Never destroyed: threads may record until the process is gone.
Ring& ring() {
  static auto* instance = new Ring;
  return *instance;
}

std::atomic<uint32_t> logged{0};

// The theme of an event in the host's log; 0: it has none there.
uint32_t theme_of(const std::string& name) {
  if (name == "cmd_received" || name == "cmd_ended" || name == "cmd_response") {
    return OS_TRACE_LOG_COMMANDS;
  }
  if (name == "cmd_r2t" || name == "cmd_data_complete") return OS_TRACE_LOG_DATA;
  if (name == "cmd_state") return OS_TRACE_LOG_STATES;
  const bool is_driver = name == "cmd_delivered" || name.find("cmd_abort") == 0 ||
                         name == "cmd_orphaned" || name == "cmd_cleanup";
  return is_driver ? OS_TRACE_LOG_DRIVER : 0;
}

void record(const char* name, unsigned long session, uint32_t itt, const char* format, ...)
    __attribute__((format(printf, 4, 5)));
void record(const char* name, unsigned long session, uint32_t itt, const char* format, ...) {
  char text[640];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  if ((logged & theme_of(name)) != 0) {
    os_log(OS_LOG_DEBUG, "session %lu, itt 0x%x: %s %s", session, itt, name, text);
  }
  std::lock_guard guard(ring().lock);
  if (ring().events.size() == kRingSize) ring().events.pop_front();
  ring().events.push_back({name, session, itt, text});
}

}  // namespace

void os_trace_log(uint32_t mask) {
  const uint32_t before = logged.exchange(mask);
  const int change = (mask != 0 ? 1 : 0) - (before != 0 ? 1 : 0);
  __atomic_fetch_add(&os_trace_listeners, static_cast<unsigned>(change), __ATOMIC_RELAXED);
}

HostTrace::HostTrace() {
  {
    std::lock_guard guard(ring().lock);
    ring().events.clear();
  }
  __atomic_fetch_add(&os_trace_listeners, 1, __ATOMIC_RELAXED);
}

HostTrace::~HostTrace() { __atomic_fetch_sub(&os_trace_listeners, 1, __ATOMIC_RELAXED); }

std::vector<HostTrace::Event> HostTrace::events() const {
  std::lock_guard guard(ring().lock);
  return {ring().events.begin(), ring().events.end()};
}

std::vector<std::string> HostTrace::names_for(uint32_t itt) const {
  std::vector<std::string> names;
  for (const Event& event : events()) {
    if (event.itt == itt && event.name.compare(0, 4, "cmd_") == 0) names.push_back(event.name);
  }
  return names;
}

void os_trace_command_received(unsigned long session, uint32_t itt, uint32_t cmd_sn, uint32_t lun,
                               uint8_t opcode, uint32_t expected_length) {
  record("cmd_received", session, itt, "cmd_sn=%u lun=%u opcode=0x%02x length=%u", cmd_sn, lun,
         opcode, expected_length);
}

void os_trace_command_step(int step, unsigned long session, uint32_t itt) {
  const char* const kNames[] = {"cmd_delivered", "cmd_abort_answered", "cmd_orphaned",
                                "cmd_cleanup"};
  record(kNames[step], session, itt, "%s", "");
}

void os_trace_command_data(int step, unsigned long session, uint32_t itt, uint32_t offset,
                           uint32_t length) {
  const char* const kNames[] = {"cmd_lent", "cmd_r2t", "cmd_data_complete"};
  record(kNames[step], session, itt, "offset=%u length=%u", offset, length);
}

void os_trace_command_status(int step, unsigned long session, uint32_t itt, uint8_t status,
                             uint32_t residual) {
  const char* const kNames[] = {"cmd_ended", "cmd_response"};
  record(kNames[step], session, itt, "status=0x%02x residual=%u", status, residual);
}

void os_trace_command_abort(unsigned long session, uint32_t itt, uint32_t reason) {
  record("cmd_abort", session, itt, "reason=0x%x", reason);
}

void os_trace_command_state(unsigned long session, uint32_t itt, const char* from, const char* to) {
  record("cmd_state", session, itt, "%s -> %s", from, to);
}

void os_trace_session_added(unsigned long session, uint16_t tsih, const char* initiator,
                            const char* target) {
  record("session_added", session, 0, "tsih=%u initiator=%s target=%s", tsih, initiator, target);
}

void os_trace_session_removed(unsigned long session, const char* initiator, const char* why) {
  record("session_removed", session, 0, "initiator=%s why=%s", initiator, why);
}

void os_trace_login(uint16_t status, const char* peer, const char* initiator, const char* target) {
  record(status == 0 ? "login_accepted" : "login_refused", 0, 0,
         "peer=%s initiator=%s target=%s status=0x%04x", peer, initiator, target, status);
}

void os_trace_pdu(int sent, unsigned long session, const uint8_t* bhs, uint32_t data_size) {
  const uint32_t itt = uint32_t{bhs[16]} << 24 | bhs[17] << 16 | bhs[18] << 8 | bhs[19];
  record(sent ? "pdu_sent" : "pdu_received", session, itt, "opcode=0x%02x data=%u", bhs[0] & 0x3f,
         data_size);
}
