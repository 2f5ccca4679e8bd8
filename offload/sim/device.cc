// SPDX-License-Identifier: GPL-2.0-only
//
// An adapter's life, and the client's calls that touch no connection.
#include "offload/sim/device.hh"

#include "base/lock.hh"
#include "offload/sim/conn.hh"
#include "offload/sim/server.hh"
#include "os/digest.h"
#include "os/log.h"

namespace chiscsi::sim {

namespace {
constexpr uint16_t kMtus[LLD_MTU_COUNT] = {88,   256,  512,  576,  808,  1024, 1280, 1488,
                                           1500, 2002, 2048, 4096, 4352, 8192, 9000, 9600};
constexpr uint8_t kPageOrders[LLD_PAGE_SIZES] = {0, 1, 2, 4};
constexpr uint32_t kDefaultIolen = 16384 + 312;
constexpr uint32_t kDefaultPods = 256 * 1024;
constexpr uint32_t kRouteMtu = 1500;

void put_default(uint32_t& value, uint32_t standard) {
  if (value == 0) value = standard;
}
}  // namespace

std::atomic<uint64_t> client_pages{0};

void free_buffer(lld_buffer* buffer) {
  if (buffer == nullptr) return;
  Device::of(buffer->device).counters().buffers.fetch_sub(1, std::memory_order_relaxed);
  destroy(buffer);
}

void free_all(BufferList& list) {
  while (lld_buffer* buffer = list.pop_front())
    free_buffer(buffer);
}

void copy_payload(lld_buffer& buffer, MutableBytes out) {
  for (uint32_t i = 0; i < buffer.fragment_count; ++i) {
    const os_fragment& piece = buffer.fragments()[i];
    copy_from_piece(piece, 0, out.first(piece.length));
    out = out.skip(piece.length);
  }
}

uint32_t crc_of_payload(lld_buffer& buffer) {
  uint32_t crc = ~0u;
  uint8_t part[256];
  for (uint32_t i = 0; i < buffer.fragment_count; ++i) {
    const os_fragment& piece = buffer.fragments()[i];
    for (uint32_t at = 0; at < piece.length; at += sizeof(part)) {
      const uint32_t left = piece.length - at;
      const MutableBytes bytes = MutableBytes(part).first(left);
      copy_from_piece(piece, at, bytes);
      crc = os_crc32c(crc, bytes.data(), bytes.size());
    }
  }
  return crc;
}

// ---- Life ----

OwnPtr<Device> Device::create(const sim_config& config) {
  OwnPtr<Device> device = make<Device>(Alloc::kMaySleep, config);
  if (device && !device->init()) device.reset();
  return device;
}

bool Device::init() {
  if (config_.name == nullptr) config_.name = "sim";
  put_default(config_.chip, 6);
  put_default(config_.wr_credits, 64);
  put_default(config_.ppod_size, kDefaultPods);
  if (config_.no_ppods != 0) config_.ppod_size = 0;
  put_default(config_.iolen, kDefaultIolen);
  put_default(config_.tid_count, 256);
  put_default(config_.tx_queues, 2);
  put_default(config_.rx_queues, 2);
  put_default(config_.fragment_size, OS_PAGE_SIZE);
  if (config_.fragment_size > OS_PAGE_SIZE) config_.fragment_size = OS_PAGE_SIZE;
  if (config_.rx_queues > LLD_MAX_RX_QUEUES) config_.rx_queues = LLD_MAX_RX_QUEUES;
  if (config_.address_count > SIM_MAX_ADDRESSES) return false;
  random_state_ = config_.seed == 0 ? 1 : config_.seed;
  attach_mutex_ = os_mutex_create();
  conn_memory_ = Buffer::allocate(size_t{config_.tid_count} * sizeof(Conn*));
  if (attach_mutex_ == nullptr || !conn_memory_) return false;
  // SAFETY: an array of null pointers.
  conns_ = reinterpret_cast<Conn**>(conn_memory_.data());
  if (!tables_.init(config_.tid_base, config_.tid_count) || !bus_.init(config_.bounce != 0) ||
      !pods_.init(config_.ppod_size, config_.ppod_llimit, config_.tag_mask)) {
    return false;
  }
  fill_info();
  Result<OwnPtr<Worker>> worker = Worker::create("chiscsi_sim", OS_ANY_CPU);
  if (!worker.is_ok()) return false;
  worker_ = worker.take();
  return true;
}

void Device::fill_info() {
  info_.name = config_.name;
  info_.chip = config_.chip;
  info_.port_count = 1;
  info_.rx_queue_count = config_.rx_queues;
  info_.tx_queue_count = config_.tx_queues;
  for (uint32_t i = 0; i < config_.rx_queues; ++i)
    info_.rx_queue_ids[i] = static_cast<uint16_t>(kFirstQueueId + i);
  for (uint32_t i = 0; i < LLD_MTU_COUNT; ++i)
    info_.mtus[i] = kMtus[i];
  info_.wr_credits = config_.wr_credits;
  info_.has_iso = config_.has_iso;
  info_.tid_base = config_.tid_base;
  info_.tid_count = config_.tid_count;
  info_.pf = 4;
  info_.iscsi_iolen = config_.iolen;
  info_.max_fragments = Message::kMostFragments;
  info_.ppod_start = info_.ppod_llimit = config_.ppod_llimit;
  info_.ppod_size = config_.ppod_size;
  info_.bounces = config_.bounce;
  info_.tag_mask = pods_.tag_mask();
  for (uint32_t i = 0; i < LLD_PAGE_SIZES; ++i)
    info_.page_orders[i] = kPageOrders[i];
}

Device::~Device() {
  if (worker_) call(&Device::lose_all);
  worker_.reset();
  drop_messages();
  if (page_ != nullptr) os_page_put(page_);
  if (attach_mutex_ != nullptr) os_mutex_destroy(attach_mutex_);
}

void Device::attach(const lld_client& client, const lld_ops& ops) {
  MutexGuard guard(attach_mutex_);
  if (handle_.load() != nullptr) return;
  client_ = client;
  lost_ = false;
  handle_ = client.dev_add(&ops, this, &info_);
  if (handle_.load() == nullptr) return;
  client_.dev_state(handle_, LLD_STATE_UP);
  request_turn();
}

void Device::detach() {
  MutexGuard guard(attach_mutex_);
  if (handle_.load() == nullptr) return;
  client_.dev_remove(handle_);
  call(&Device::check_left_over);
  void* handle = handle_.exchange(nullptr);
  call(&Device::lose_all);
  if (client_.dev_gone != nullptr) client_.dev_gone(handle);
}

void Device::check_left_over() {
  turn();
  free_all(parked_);  // On their way, and nobody's any more.
  struct sim_stats now;
  stats(now);
  const uint64_t left =
      now.buffers + now.tids + now.stids + now.l2t + now.clip + now.pods + now.mapped;
  if (left == 0) return;
  broken(Check::left_over, 0, left);
  os_log(OS_LOG_ERROR,
         "%s: left: %u messages, %u tids, %u stids, %u l2t, %u clip, %u pods, %u maps",
         config_.name, static_cast<uint32_t>(now.buffers), static_cast<uint32_t>(now.tids),
         static_cast<uint32_t>(now.stids), static_cast<uint32_t>(now.l2t),
         static_cast<uint32_t>(now.clip), static_cast<uint32_t>(now.pods),
         static_cast<uint32_t>(now.mapped));
}

void Device::set_state(lld_state state) {
  if (state == LLD_STATE_DETACH) {
    if (handle_.load() != nullptr) client_.dev_state(handle_, state);
    return detach();
  }
  MutexGuard guard(attach_mutex_);
  lost_ = state != LLD_STATE_UP;
  if (state != LLD_STATE_UP) call(&Device::lose_all);
  if (handle_.load() != nullptr) client_.dev_state(handle_, state);
}

void Device::stats(struct sim_stats& out) {
  out = {};
  out.violations = checks_.total();
  out.buffers = counters_.buffers;
  out.tids = tables_.tids();
  out.stids = tables_.stids();
  out.l2t = l2t_.references;
  out.clip = tables_.clips();
  out.pods = pods_.reserved();
  out.pods_valid = counters_.pods_valid;
  out.mapped = bus_.mapped();
  out.pages = client_pages;
  out.credits = counters_.credits;
  out.connections = counters_.connections;
  out.messages = counters_.messages;
  out.retries = counters_.retries;
  out.pdus_in = counters_.pdus_in;
  out.pdus_out = counters_.pdus_out;
  out.placed_pdus = counters_.placed_pdus;
  out.placed_bytes = counters_.placed_bytes;
  out.not_placed = counters_.not_placed;
  out.iso_wrs = counters_.iso_wrs;
  out.iso_pdus = counters_.iso_pdus;
  out.digest_errors = counters_.digest_errors;
  out.pod_writes = counters_.pod_writes;
  out.acks = counters_.acks;
  out.window_stalls = counters_.window_stalls;
}

// ---- Calls of the client ----

lld_buffer* Device::buffer_alloc(uint32_t header_size, uint32_t fragments) {
  if (faults_.take(Fault::allocation)) return nullptr;
  const size_t size = sizeof(lld_buffer) + fragments * sizeof(os_fragment) + header_size;
  void* memory = os_alloc(size, OS_ALLOC_ATOMIC);
  if (memory == nullptr) return nullptr;
  auto* buffer = ::new (memory) lld_buffer;
  buffer->device = this;
  buffer->header_size = header_size;
  buffer->fragment_room = fragments;
  counters_.buffers.fetch_add(1, std::memory_order_relaxed);
  return buffer;
}

int Device::send(lld_buffer* buffer, uint32_t queue, bool control) {
  const uint32_t queues = control ? info_.port_count : config_.tx_queues;
  if (queue >= queues) broken(Check::wr_queue, 0, queue);
  buffer->queue = queue;
  buffer->control = control;
  buffer->order = sent_.fetch_add(1) + 1;
  (control ? control_ : data_).push(*buffer);
  request_turn();
  return 0;
}

bool Device::owns(const os_address& address) const {
  for (uint32_t i = 0; i < config_.address_count; ++i) {
    const os_address& own = config_.addresses[i];
    if (own.is_ipv6 != address.is_ipv6) continue;
    if (is_wildcard(address) || is_wildcard(own) || same_ip(own, address)) return true;
  }
  return false;
}

int Device::stid_alloc(bool is_ipv6) { return tables_.stid_take(is_ipv6); }

void Device::stid_free(uint32_t stid, bool is_ipv6) {
  if (!tables_.stid_free(stid, is_ipv6)) broken(Check::stid, stid);
}

int Device::server_create(uint32_t stid, const os_address& address) {
  if (!tables_.stid_set_server(stid, true)) broken(Check::stid, stid);
  const int rc = request(Request::kOpen, stid, &address);
  if (rc != 0) tables_.stid_set_server(stid, false);
  return rc;
}

int Device::server_remove(uint32_t stid) { return request(Request::kClose, stid, nullptr); }

int Device::clip_get(const os_address& address) { return tables_.clip_get(address); }

void Device::clip_release(const os_address& address) {
  if (!tables_.clip_release(address)) broken(Check::clip, 0);
}

void Device::tid_insert(uint32_t tid) {
  if (!tables_.tid_insert(tid)) broken(Check::tid_insert, tid);
}

void Device::tid_remove(uint32_t tid) {
  if (!tables_.tid_remove(tid)) return broken(Check::tid_remove, tid);
  // A request without memory would be a tid that is lost.
  while (request(Request::kRelease, tid, nullptr) != 0) {
  }
}

int Device::route_get(const os_address& local, lld_route* route) {
  if (!owns(local)) return -113;  // EHOSTUNREACH
  const uint32_t turn = l2t_.references.fetch_add(1);
  *route = {};
  route->l2t = &l2t_;
  route->l2t_index = 5;
  route->mtu = kRouteMtu;
  route->smac_index = 3;
  route->tx_queue = turn % config_.tx_queues;
  route->rx_queue_id = kFirstQueueId + turn % config_.rx_queues;
  route->link_mbps = 40'000;
  return 0;
}

void Device::route_put(lld_route* route) {
  uint32_t count = l2t_.references;
  while (count != 0 && !l2t_.references.compare_exchange_weak(count, count - 1)) {
  }
  if (count == 0 || route->l2t != &l2t_) broken(Check::route, 0);
  route->l2t = nullptr;
}

uint32_t Device::best_mtu(uint32_t mtu) const {
  uint32_t index = 0;
  while (index + 1 < LLD_MTU_COUNT && kMtus[index + 1] <= mtu)
    ++index;
  return index;
}

int Device::ppods_reserve(uint32_t pages, lld_tag* tag) {
  if (faults_.take(Fault::no_pods)) return -static_cast<int>(Error::kNoSpace);
  return pods_.reserve(pages, tag);
}

void Device::ppods_release(const lld_tag& tag) {
  if (!pods_.release(tag)) broken(Check::ppods_release, 0, tag.tag);
}

uint64_t Device::map(const os_fragment& piece) {
  return faults_.take(Fault::no_map) ? 0 : bus_.map(piece);
}

// The pods are the worker's. A word that changes while it is read here belongs to a message that
// the client has not waited for, which is what this looks for.
void Device::unmap(uint64_t address, uint32_t length) {
  const uint64_t window = address >> Bus::kWindowShift;
  const bool is_used = pods_.any_valid([&](const Pod& pod) {
    bool refers = false;
    for (const Be64& page : pod.address)
      refers = refers || page.get() >> Bus::kWindowShift == window;
    return refers && tables_.tid_state(pod.tid()) == TidState::kLive;
  });
  if (is_used) broken(Check::unmap_live, 0, address);
  if (bus_.unmap(address, length) != BusResult::kDone) broken(Check::unmap_unknown, 0, address);
}

}  // namespace chiscsi::sim
