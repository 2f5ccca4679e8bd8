// SPDX-License-Identifier: GPL-2.0-only
//
// See worker_counters.hh.
#include "target/info/worker_counters.hh"

namespace chiscsi {

WorkerCounters::~WorkerCounters() {
  Slots* all = slots_.load(std::memory_order_acquire);
  if (all == nullptr) return;
  for (uint32_t i = 0; i < all->count; ++i)
    destroy(all->places[i].load(std::memory_order_acquire));
  os_free(all);
}

// Two workers may come with their first command at once: one set of places remains.
WorkerCounters::Slots* WorkerCounters::slots(uint32_t workers) {
  Slots* all = slots_.load(std::memory_order_acquire);
  if (all != nullptr) return all;
  // SAFETY: zeroed memory is a Slots whose places are null.
  auto* fresh = static_cast<Slots*>(
      allocate(sizeof(Slots) + workers * sizeof(all->places[0]), Alloc::kAtomic));
  if (fresh == nullptr) return nullptr;
  fresh->count = workers;
  if (slots_.compare_exchange_strong(all, fresh, std::memory_order_acq_rel)) return fresh;
  os_free(fresh);
  return all;
}

CommandCounters* WorkerCounters::of_worker(uint32_t worker, uint32_t workers) {
  Slots* all = slots(workers);
  if (all == nullptr || worker >= all->count) return nullptr;
  CommandCounters* mine = all->places[worker].load(std::memory_order_relaxed);
  if (mine != nullptr) return mine;
  mine = make<CommandCounters>(Alloc::kAtomic).release();
  all->places[worker].store(mine, std::memory_order_release);
  return mine;
}

void WorkerCounters::add_to(CommandCounters::Sum* sum) const {
  const Slots* all = slots_.load(std::memory_order_acquire);
  if (all == nullptr) return;
  for (uint32_t i = 0; i < all->count; ++i) {
    const CommandCounters* counters = all->places[i].load(std::memory_order_acquire);
    if (counters != nullptr) counters->add_to(sum);
  }
}

}  // namespace chiscsi
