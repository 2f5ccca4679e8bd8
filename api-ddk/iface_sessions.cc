// SPDX-License-Identifier: GPL-2.0-only
#include "iface_sessions.hh"

#include "storage_driver.hh"

namespace iface {
namespace {

struct Session {
  Link link;
  unsigned long number = 0;
  unsigned long handle = 0;
  u64 attentions = 0;  // bit n: of unit n
};
static_assert(kMaxLuns <= 64);

constexpr u64 bit_of(u32 unit) { return 1ULL << unit; }

// Made before the first session and gone after the last.
struct SessionTable {
  iface_os_spinlock* lock = nullptr;  // an inner one
  // Guarded by lock.
  List<Session, &Session::link> sessions;
  unsigned long last_number = 0;
};
constinit SessionTable* g_table = nullptr;

}  // namespace

int sessions_create() {
  g_table = make<SessionTable>();
  if (g_table == nullptr) return kEnomem;
  g_table->lock = iface_os_inner_lock_create();
  return g_table->lock != nullptr ? 0 : kEnomem;
}

void sessions_destroy() {
  if (g_table == nullptr) return;
  while (Session* session = g_table->sessions.pop_front())
    destroy(session);
  if (g_table->lock != nullptr) iface_os_lock_destroy(g_table->lock);
  destroy(g_table);
  g_table = nullptr;
}

// Without memory the session works all the same: it is not told of changes.
unsigned long sessions_add(unsigned long handle) {
  Session* session = make<Session>();
  if (session == nullptr) {
    iface_os_log(IFACE_OS_WARNING, "no memory: a session will not hear of mode parameters");
  }
  const Guard guard(g_table->lock);
  const unsigned long number = ++g_table->last_number;
  if (session == nullptr) return number;
  session->number = number;
  session->handle = handle;
  g_table->sessions.push_back(*session);
  return number;
}

void sessions_remove(unsigned long handle) {
  Session* gone;
  {
    const Guard guard(g_table->lock);
    gone = g_table->sessions.front();
    while (gone != nullptr && gone->handle != handle)
      gone = g_table->sessions.after(*gone);
    if (gone != nullptr) gone->link.unlink();
  }
  destroy(gone);
}

bool attentions_raise(u32 unit, unsigned long author) {
  const Guard guard(g_table->lock);
  bool raised = false;
  for (Session* s = g_table->sessions.front(); s != nullptr; s = g_table->sessions.after(*s)) {
    if (s->number == author) continue;
    s->attentions |= bit_of(unit);
    raised = true;
  }
  return raised;
}

bool attentions_pending(u32 unit, unsigned long number) {
  const Guard guard(g_table->lock);
  for (Session* s = g_table->sessions.front(); s != nullptr; s = g_table->sessions.after(*s)) {
    if (s->number == number) return (s->attentions & bit_of(unit)) != 0;
  }
  return false;
}

bool attentions_clear(u32 unit, unsigned long number) {
  const Guard guard(g_table->lock);
  bool left = false;
  for (Session* s = g_table->sessions.front(); s != nullptr; s = g_table->sessions.after(*s)) {
    if (s->number == number) s->attentions &= ~bit_of(unit);
    left = left || (s->attentions & bit_of(unit)) != 0;
  }
  return left;
}

}  // namespace iface
