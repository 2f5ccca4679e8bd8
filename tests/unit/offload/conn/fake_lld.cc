// SPDX-License-Identifier: GPL-2.0-only
//
// See fake_lld.hh.
#include "fake_lld.hh"

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "host.hh"
#include "internal.hh"
#include "os/memory.h"

struct lld_buffer {
  std::vector<uint8_t> header;
  std::vector<os_fragment> pieces;
  uint32_t room = 0;
};
struct lld_device {};
struct lld_l2t {};

namespace chiscsi::test {

namespace {

FakeLld* fake = nullptr;
lld_device the_device;
lld_l2t the_l2t;

const uint8_t* address_of(const os_fragment& piece) {
  const void* base = piece.page != nullptr ? piece.page : piece.address;
  return static_cast<const uint8_t*>(base) + piece.offset;
}

int fake_start(const lld_client* client) {
  fake->client = client;
  return 0;
}
void fake_stop() {
  if (fake != nullptr) fake->remove();
}

lld_buffer* fake_buffer_alloc(lld_device*, uint32_t header_size, uint32_t fragments) {
  const std::lock_guard guard(fake->mutex);
  if (fake->fail_allocations > 0) {
    --fake->fail_allocations;
    fake->changed.notify_all();
    return nullptr;
  }
  ++fake->buffers;
  return new lld_buffer{std::vector<uint8_t>(header_size), {}, fragments};
}
uint8_t* fake_buffer_header(lld_buffer* buffer) { return buffer->header.data(); }
int fake_buffer_add(lld_buffer* buffer, const os_fragment* piece) {
  if (buffer->pieces.size() == buffer->room) return -EINVAL;
  if (fake->fail_adds > 0) {
    --fake->fail_adds;
    return -ENOMEM;
  }
  buffer->pieces.push_back(*piece);
  return 0;
}
void fake_buffer_free(lld_buffer* buffer) {
  const std::lock_guard guard(fake->mutex);
  --fake->buffers;
  delete buffer;
}

int fake_send(lld_device*, lld_buffer* buffer, uint32_t queue, int control) {
  if (host_in_atomic()) abort();
  const std::lock_guard guard(fake->mutex);
  if (fake->fail_sends > 0) {
    --fake->fail_sends;
    fake->changed.notify_all();
    return -EIO;
  }
  Sent sent;
  sent.header = buffer->header;
  sent.queue = queue;
  sent.control = control != 0;
  sent.tids = fake->tids.size();
  sent.pieces = static_cast<uint32_t>(buffer->pieces.size());
  for (const os_fragment& piece : buffer->pieces)
    sent.payload.insert(sent.payload.end(), address_of(piece), address_of(piece) + piece.length);
  --fake->buffers;
  delete buffer;
  fake->sent.push_back(std::move(sent));
  fake->changed.notify_all();
  return 0;
}
int fake_send_l2t(lld_device* dev, lld_buffer* buffer, uint32_t queue, int control, lld_l2t*,
                  lld_arp_failure failed, void* context) {
  {
    const std::lock_guard guard(fake->mutex);
    fake->last_failed = failed;
    fake->last_context = context;
    if (std::exchange(fake->holds_accept, false)) {
      fake->held = buffer;
      fake->changed.notify_all();
      return 0;
    }
    if (fake->hop_is_unknown) {
      fake->waiting_for_hop.push_back({buffer, queue, control});
      fake->changed.notify_all();
      return 0;
    }
  }
  if (control == 0 && std::exchange(fake->hop_is_dead, false)) {
    failed(buffer, context);
    return 0;
  }
  return fake_send(dev, buffer, queue, control);
}

void fake_page_put(void* page) {
  const std::lock_guard guard(fake->mutex);
  --fake->pages;
  free(page);
}

void run_once(std::function<void()>& hook) {
  std::function<void()> taken;
  {
    const std::lock_guard guard(fake->mutex);
    taken = std::exchange(hook, nullptr);
  }
  if (taken) taken();
}

int fake_owns_address(lld_device*, const os_address*) {
  run_once(fake->when_asked_for_address);
  return fake->owns ? 1 : 0;
}
int fake_stid_alloc(lld_device*, int, void*) {
  const std::lock_guard guard(fake->mutex);
  if (!fake->is_there) ++fake->late_calls;
  fake->stids.insert(++fake->last_stid);
  fake->changed.notify_all();
  return static_cast<int>(fake->last_stid);
}
void fake_stid_free(lld_device*, uint32_t stid, int) {
  const std::lock_guard guard(fake->mutex);
  if (!fake->is_there) ++fake->late_calls;
  if (fake->stids.erase(stid) == 0) abort();
}
int fake_answer(uint32_t stid, cpl::Opcode opcode) {
  if (!fake->answers_servers) return 0;
  cpl::StatusRpl reply = {};
  reply.ot.set(opcode, stid);
  reply.status = opcode == cpl::Opcode::kPassOpenRpl ? fake->open_status : 0;
  return fake->say(reply);
}
int fake_server_create(lld_device*, uint32_t stid, const os_address*) {
  return fake_answer(stid, cpl::Opcode::kPassOpenRpl);
}
int fake_server_remove(lld_device*, uint32_t stid, int) {
  run_once(fake->when_server_is_removed);
  return fake_answer(stid, cpl::Opcode::kCloseListsrvRpl);
}
int fake_clip_get(lld_device*, const os_address*) {
  const std::lock_guard guard(fake->mutex);
  ++fake->clips;
  return 0;
}
void fake_clip_release(lld_device*, const os_address*) {
  const std::lock_guard guard(fake->mutex);
  --fake->clips;
}

void fake_tid_insert(lld_device*, void*, uint32_t tid, int) {
  const std::lock_guard guard(fake->mutex);
  if (!fake->tids.insert(tid).second) abort();
}
void fake_tid_remove(lld_device*, uint32_t tid, uint32_t, int) {
  const std::lock_guard guard(fake->mutex);
  if (fake->tids.erase(tid) == 0) abort();
  fake->changed.notify_all();
}
int fake_route_get(lld_device*, const os_address*, const os_address*, uint8_t, lld_route* route) {
  const std::lock_guard guard(fake->mutex);
  ++fake->routes;
  *route = {};
  route->l2t = &the_l2t;
  route->l2t_index = 7;
  route->mtu = 1500;
  route->port = 1;
  route->tx_channel = 1;
  route->tx_queue = 3;
  route->control_queue = 1;
  route->rx_queue_id = 77;
  route->link_mbps = 10'000;
  return 0;
}
void fake_route_put(lld_device*, lld_route*) {
  const std::lock_guard guard(fake->mutex);
  --fake->routes;
  fake->changed.notify_all();
}
uint32_t fake_best_mtu(lld_device*, uint32_t, int, int) { return 8; }

int fake_ppods_reserve(lld_device*, uint32_t pages, uint32_t, lld_tag* tag) {
  const std::lock_guard guard(fake->mutex);
  if (!fake->has_pods) return -ENOSPC;
  static uint32_t next_slot = 0;
  next_slot = (next_slot + 64) % 4096;  // Within the index bits of the mask.
  *tag = {next_slot << 6 | 5, next_slot, (pages + 3) / 4, next_slot};
  ++fake->pod_runs;
  return 0;
}
void fake_ppods_release(lld_device*, const lld_tag*) {
  const std::lock_guard guard(fake->mutex);
  --fake->pod_runs;
  fake->changed.notify_all();
}
uint64_t fake_map(lld_device*, const os_fragment* piece) {
  const std::lock_guard guard(fake->mutex);
  ++fake->mappings;
  const auto bus = reinterpret_cast<uint64_t>(address_of(*piece)) + fake->bus_shift;
  fake->mapped.insert(bus);
  return bus;
}
void fake_unmap(lld_device*, uint64_t bus, uint32_t) {
  const std::lock_guard guard(fake->mutex);
  --fake->mappings;
  if (fake->mapped.erase(bus) == 0) abort();
}

constexpr lld_ops kFakeOps = {
    "fake",
    &fake_start,
    &fake_stop,
    &fake_buffer_alloc,
    &fake_buffer_header,
    &fake_buffer_add,
    &fake_buffer_free,
    &fake_send,
    &fake_send_l2t,
    &fake_page_put,
    &fake_owns_address,
    &fake_stid_alloc,
    &fake_stid_free,
    &fake_server_create,
    &fake_server_remove,
    &fake_clip_get,
    &fake_clip_release,
    &fake_tid_insert,
    &fake_tid_remove,
    &fake_route_get,
    &fake_route_put,
    &fake_best_mtu,
    &fake_ppods_reserve,
    &fake_ppods_release,
    &fake_map,
    &fake_unmap,
};

}  // namespace

FakeLld::FakeLld(uint32_t chip) {
  fake = this;
  info.name = "fake0";
  info.chip = chip;
  info.port_count = 2;
  info.rx_queue_count = 4;
  info.tx_queue_count = 4;
  const uint16_t mtus[LLD_MTU_COUNT] = {88,   256,  512,  576,  808,  1024, 1280, 1488,
                                        1500, 2002, 2048, 4096, 4352, 8192, 9000, 9600};
  memcpy(info.mtus, mtus, sizeof(mtus));
  info.wr_credits = 64;
  info.has_iso = 1;
  info.tid_base = 1000;
  info.tid_count = 64;
  info.pf = 4;
  info.iscsi_iolen = 16384;
  info.max_fragments = 17;
  info.ppod_start = info.ppod_llimit = 0x10000;
  info.ppod_size = 1u << 20;
  info.tag_mask = 0x000fffff;
  const uint8_t orders[LLD_PAGE_SIZES] = {0, 1, 2, 4};
  memcpy(info.page_orders, orders, sizeof(orders));
}

FakeLld::~FakeLld() { fake = nullptr; }
const lld_ops* FakeLld::ops() const { return &kFakeOps; }

void FakeLld::add() {
  is_there = true;
  handle = client->dev_add(&kFakeOps, &the_device, &info);
  set_state(LLD_STATE_UP);
}
void FakeLld::set_state(lld_state state) { client->dev_state(handle, state); }
void FakeLld::remove() {
  if (handle == nullptr) return;
  client->dev_remove(handle);  // Its messages still come.
  {
    const std::lock_guard guard(mutex);
    is_there = false;
    changed.notify_all();
  }
  client->dev_gone(std::exchange(handle, nullptr));
}

std::optional<Sent> FakeLld::next() {
  return next([](const Sent&) { return true; });
}

std::optional<Sent> FakeLld::next(const std::function<bool(const Sent&)>& suits) {
  std::unique_lock lock(mutex);
  std::optional<Sent> found;
  changed.wait_for(lock, kSurely, [&] {
    for (auto at = sent.begin(); at != sent.end(); ++at) {
      if (!suits(*at)) continue;
      found = *at;
      sent.erase(at);
      return true;
    }
    return false;
  });
  return found;
}

std::optional<Sent> FakeLld::next_cpl(cpl::Opcode opcode) {
  return next([opcode](const Sent& message) { return message.opcode() == opcode; });
}
std::optional<Sent> FakeLld::next_fw(uint8_t opcode) {
  return next([opcode](const Sent& message) { return message.fw_opcode() == opcode; });
}
bool FakeLld::is_quiet() { return waiting() == 0; }
size_t FakeLld::waiting() {
  const std::lock_guard guard(mutex);
  return sent.size();
}

int FakeLld::say_bytes(const void* bytes, size_t size) {
  lld_ingress message = {};
  message.bytes = static_cast<const uint8_t*>(bytes);
  message.size = static_cast<uint32_t>(size);
  const HostAtomicSection softirq;
  return client->cpl_in(handle, &message);
}

int FakeLld::say_pages(const std::vector<uint8_t>& bytes, const std::vector<size_t>& cuts) {
  std::vector<os_fragment> fragments;
  size_t from = 0;
  const auto add = [&](size_t to) {
    for (; from < to;) {
      const size_t size = std::min<size_t>(to - from, OS_PAGE_SIZE - 100);
      void* page = aligned_alloc(OS_PAGE_SIZE, OS_PAGE_SIZE);
      memcpy(static_cast<uint8_t*>(page) + 100, bytes.data() + from, size);
      fragments.push_back({page, nullptr, 100, static_cast<uint32_t>(size)});
      from += size;
    }
  };
  for (const size_t cut : cuts)
    add(cut);
  add(bytes.size());
  {
    const std::lock_guard guard(mutex);
    pages += static_cast<int>(fragments.size());
  }
  lld_ingress message = {};
  message.fragments = fragments.data();
  message.fragment_count = static_cast<uint32_t>(fragments.size());
  const HostAtomicSection softirq;
  return client->cpl_in(handle, &message);
}

int FakeLld::failures_left() {
  const std::lock_guard guard(mutex);
  return fail_sends;
}

void FakeLld::hop_is_found() {
  std::vector<Waiting> all;
  {
    const std::lock_guard guard(mutex);
    hop_is_unknown = false;
    all.swap(waiting_for_hop);
  }
  for (const Waiting& each : all)
    fake_send(nullptr, each.buffer, each.queue, each.control);
}

void FakeLld::hop_is_silent() {
  std::vector<Waiting> all;
  {
    const std::lock_guard guard(mutex);
    hop_is_unknown = false;
    all.swap(waiting_for_hop);
  }
  for (const Waiting& each : all)
    last_failed(each.buffer, last_context);
}

bool FakeLld::waits_gone() {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, kAMoment, [&] { return !is_there; });
}

bool FakeLld::wait(const std::function<bool()>& holds) {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, kSurely, holds);
}

bool FakeLld::let_go() {
  std::unique_lock lock(mutex);
  // Page pods are given back later.
  return changed.wait_for(lock, kSurely, [&] { return tids.empty() && routes == 0; }) &&
         mappings == 0;
}

}  // namespace chiscsi::test
