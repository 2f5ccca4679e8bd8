// SPDX-License-Identifier: GPL-2.0-only
//
// The table of offload/lld.h and the calls of sim.h. Adapters are made and ended, and the client
// starts and stops, one at a time: whoever runs the adapters sees to that.
#include "offload/sim/device.hh"

namespace chiscsi::sim {

namespace {
constexpr uint32_t kMostDevices = 8;
Device* devices[kMostDevices];
lld_client the_client;
bool has_client;

Device& sim_of(lld_device* dev) { return Device::of(dev); }

int start_sim(const lld_client* client) {
  the_client = *client;
  has_client = true;
  for (Device* device : devices) {
    if (device != nullptr) device->attach(the_client, *sim_backend());
  }
  return 0;
}

void stop_sim() {
  for (Device* device : devices) {
    if (device != nullptr) device->detach();
  }
  has_client = false;
}

int add_piece(lld_buffer* buffer, const os_fragment* piece) {
  if (buffer->fragment_count == buffer->fragment_room || piece->length == 0) {
    return -static_cast<int>(Error::kInvalid);
  }
  buffer->fragments()[buffer->fragment_count++] = *piece;
  buffer->payload += piece->length;
  return 0;
}

int send_l2t_sim(lld_device* dev, lld_buffer* buffer, uint32_t queue, int control, lld_l2t* l2t,
                 lld_arp_failure failed, void* context) {
  if (l2t == nullptr || l2t->references == 0) sim_of(dev).broken(Check::route, 0);
  buffer->l2t = l2t;
  buffer->failed = failed;
  buffer->context = context;
  return sim_of(dev).send(buffer, queue, control != 0);
}

void put_client_page(void* page) {
  client_pages.fetch_sub(1, std::memory_order_relaxed);
  os_page_put(page);
}

const lld_ops kSimOps = {
    .name = "sim",
    .start = start_sim,
    .stop = stop_sim,
    .buffer_alloc =
        [](lld_device* dev, uint32_t header_size, uint32_t fragments) {
          return sim_of(dev).buffer_alloc(header_size, fragments);
        },
    .buffer_header = [](lld_buffer* buffer) { return buffer->header(); },
    .buffer_add = add_piece,
    .buffer_free = free_buffer,
    .send = [](lld_device* dev, lld_buffer* buffer, uint32_t queue,
               int control) { return sim_of(dev).send(buffer, queue, control != 0); },
    .send_l2t = send_l2t_sim,
    .page_put = put_client_page,
    .owns_address = [](lld_device* dev, const os_address* address) -> int {
      return sim_of(dev).owns(*address) ? 1 : 0;
    },
    .stid_alloc = [](lld_device* dev, int is_ipv6,
                     void*) { return sim_of(dev).stid_alloc(is_ipv6 != 0); },
    .stid_free = [](lld_device* dev, uint32_t stid,
                    int is_ipv6) { sim_of(dev).stid_free(stid, is_ipv6 != 0); },
    .server_create =
        [](lld_device* dev, uint32_t stid, const os_address* address) {
          return sim_of(dev).server_create(stid, *address);
        },
    .server_remove = [](lld_device* dev, uint32_t stid,
                        int) { return sim_of(dev).server_remove(stid); },
    .clip_get = [](lld_device* dev,
                   const os_address* address) { return sim_of(dev).clip_get(*address); },
    .clip_release = [](lld_device* dev,
                       const os_address* address) { sim_of(dev).clip_release(*address); },
    .tid_insert = [](lld_device* dev, void*, uint32_t tid, int) { sim_of(dev).tid_insert(tid); },
    .tid_remove = [](lld_device* dev, uint32_t tid, uint32_t, int) { sim_of(dev).tid_remove(tid); },
    .route_get = [](lld_device* dev, const os_address* local, const os_address*, uint8_t,
                    lld_route* route) { return sim_of(dev).route_get(*local, route); },
    .route_put = [](lld_device* dev, lld_route* route) { sim_of(dev).route_put(route); },
    .best_mtu = [](lld_device* dev, uint32_t mtu, int, int) { return sim_of(dev).best_mtu(mtu); },
    .ppods_reserve = [](lld_device* dev, uint32_t pages, uint32_t,
                        lld_tag* tag) { return sim_of(dev).ppods_reserve(pages, tag); },
    .ppods_release = [](lld_device* dev, const lld_tag* tag) { sim_of(dev).ppods_release(*tag); },
    .map = [](lld_device* dev, const os_fragment* piece) { return sim_of(dev).map(*piece); },
    .unmap = [](lld_device* dev, uint64_t bus_address,
                uint32_t length) { sim_of(dev).unmap(bus_address, length); },
};

}  // namespace
}  // namespace chiscsi::sim

using chiscsi::sim::Check;
using chiscsi::sim::Device;
using chiscsi::sim::Fault;

const lld_ops* sim_backend() { return &chiscsi::sim::kSimOps; }

lld_device* sim_create(const sim_config* config) {
  for (Device*& slot : chiscsi::sim::devices) {
    if (slot != nullptr) continue;
    slot = Device::create(*config).release();
    if (slot != nullptr && chiscsi::sim::has_client) {
      slot->attach(chiscsi::sim::the_client, *sim_backend());
    }
    return slot;
  }
  return nullptr;
}

void sim_destroy(lld_device* dev) {
  for (Device*& slot : chiscsi::sim::devices) {
    if (slot != dev || dev == nullptr) continue;
    slot->detach();
    chiscsi::destroy(slot);
    slot = nullptr;
  }
}

int sim_fault(lld_device* dev, const char* name, uint32_t count) {
  const Fault fault = chiscsi::sim::fault_by_name(name);
  if (fault == Fault::kCount) return -static_cast<int>(chiscsi::Error::kNoEntry);
  Device::of(dev).faults().set(fault, count);
  Device::of(dev).request_turn();
  return 0;
}

uint64_t sim_faults_done(lld_device* dev, const char* name) {
  const Fault fault = chiscsi::sim::fault_by_name(name);
  return fault == Fault::kCount ? ~0ull : Device::of(dev).faults().done(fault);
}

const char* sim_fault_name(uint32_t index) {
  return index < static_cast<uint32_t>(Fault::kCount)
             ? chiscsi::sim::fault_name(static_cast<Fault>(index))
             : nullptr;
}

void sim_state(lld_device* dev, lld_state state) { Device::of(dev).set_state(state); }

void sim_stats(lld_device* dev, struct sim_stats* stats) { Device::of(dev).stats(*stats); }

uint64_t sim_violations(lld_device* dev, const char* name) {
  const Check check = chiscsi::sim::check_by_name(name);
  return check == Check::kCount ? ~0ull : Device::of(dev).checks().count(check);
}

const char* sim_check_name(uint32_t index) {
  return index < static_cast<uint32_t>(Check::kCount)
             ? chiscsi::sim::check_name(static_cast<Check>(index))
             : nullptr;
}
