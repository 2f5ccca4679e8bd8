// SPDX-License-Identifier: GPL-2.0-only
//
// The passive open: from CPL_PASS_ACCEPT_REQ to the target. All on the control worker.
#include "offload/connection.hh"
#include "offload/iso.hh"
#include "offload/server.hh"
#include "os/log.h"

namespace chiscsi {

namespace {

constexpr uint32_t kPlainPlenMax = 16384;

tcp_endpoint endpoint_of(const os_address& address) {
  tcp_endpoint endpoint = {};
  static_assert(sizeof(endpoint.ip) == sizeof(address.ip));
  __builtin_memcpy(endpoint.ip, address.ip, sizeof(endpoint.ip));
  endpoint.port = address.port;
  return endpoint;
}

}  // namespace

// What was asked for before the adapter started anew it knows nothing of: the tid is not refused.
void OffloadConn::accept(OffloadAdapter& adapter, const OffloadMessage& message) {
  if (message.life != adapter.life()) return;
  uint8_t bytes[wr::kAcceptRequestMax];
  const size_t size = peek_ingress(message.ingress(), MutableBytes(bytes));
  wr::AcceptRequest request;
  const bool is_good = wr::read_accept_request({bytes, size}, adapter.info().chip, &request);
  if (!is_good) {
    offload_stats.add(OffloadCount::kBadMessages);
    if (size < sizeof(cpl::PassAcceptReq)) return;
  }
  // A tid that is in use belongs to that connection, not to the adapter's mistake.
  if (adapter.find(request.tid)) return offload_stats.add(OffloadCount::kBadMessages);
  const bool is_ipv6 = request.local.is_ipv6 != 0;
  const uint32_t queue = request.port < adapter.info().port_count ? request.port : 0;
  Ref<OffloadServer> server = adapter.find_server(request.stid);
  if (!is_good || !server || !adapter.is_up()) return adapter.refuse(request.tid, queue, is_ipv6);
  auto conn = Ref<OffloadConn>::adopt(
      make<OffloadConn>(Alloc::kMaySleep, adapter, server->portal(), request, message.life));
  if (!conn || !conn->prepare() || !conn->open().is_ok()) {
    adapter.refuse(request.tid, queue, is_ipv6);
  }
}

Status OffloadConn::open() {
  const wr::AcceptRequest& r = request_;
  CHISCSI_TRY(Status::from_errno(ops().route_get(dev(), &r.local, &r.peer, r.tos, &route_)));
  has_route_ = true;
  Status status;
  if (!allocate_buffers()) status = Error::kNoMemory;
  if (status.is_ok() && r.local.is_ipv6 != 0) {
    status = Status::from_errno(ops().clip_get(dev(), &r.local));
    has_clip_ = status.is_ok();
  }
  if (status.is_ok() && !adapter_->insert(*this)) status = Error::kBusy;
  if (status.is_ok()) {
    on_device_ = true;
    ops().tid_insert(dev(), this, tid(), r.local.is_ipv6);
    set_limit(offload_limits.open);
    status = send_accept_reply();
    if (status.is_ok()) return status;
    // The adapter forgets the tid by its removal; nothing is left to be refused.
    offload_stats.add(OffloadCount::kConnsRefused);
    die(0);
    return Status();
  }
  release_device();  // Nothing was placed yet.
  return status;
}

bool OffloadConn::allocate_buffers() {
  const lld_device_info& info = adapter_->info();
  const uint32_t most = wr::tx_data_max_cost(adapter_->max_fragments());
  const uint32_t pods = wr::pod_write_cost(wr::kPodsPerWrite);
  dearest_ = most > pods ? most : pods;
  const uint32_t flowc = wr::length16(wr::kFlowcMaxSize);
  if (info.wr_credits < wr::kAbortCost + flowc + dearest_) return false;
  credits_.reset(info.wr_credits - wr::kAbortCost, dearest_);
  flowc_buffer_ = ops().buffer_alloc(dev(), wr::flowc_size(flowc_), 0);
  abort_buffer_ = ops().buffer_alloc(dev(), wr::kAbortSize, 0);
  abort_reply_buffer_ = ops().buffer_alloc(dev(), wr::kAbortSize, 0);
  close_buffer_ = ops().buffer_alloc(dev(), wr::kCloseConReqSize, 0);
  return flowc_buffer_ != nullptr && abort_buffer_ != nullptr && abort_reply_buffer_ != nullptr &&
         close_buffer_ != nullptr;
}

Status OffloadConn::send_accept_reply() {
  const wr::AcceptRequest& r = request_;
  const bool is_ipv6 = r.local.is_ipv6 != 0;
  const uint32_t mtu = wr::path_mtu(route_.mtu, r.mss, is_ipv6, r.timestamps);
  receive_window_ = wr::receive_window(route_.link_mbps);
  wr::AcceptValues values;
  values.tid = tid();
  values.chip = adapter_->info().chip;
  values.tx_channel = route_.tx_channel;
  values.smac_index = route_.smac_index;
  values.l2t_index = route_.l2t_index;
  values.mss_index = ops().best_mtu(dev(), mtu, r.timestamps, is_ipv6);
  values.receive_window = receive_window_;
  values.rx_queue_id = route_.rx_queue_id;
  os_random(&values.random, sizeof(values.random));
  values.tos = r.tos;
  values.timestamps = r.timestamps;
  values.sack = r.sack;
  values.ecn = r.ecn;
  lld_buffer* buffer = ops().buffer_alloc(dev(), wr::kAcceptReplySize, 0);
  if (buffer == nullptr) return Error::kNoMemory;
  wr::write_accept_reply(ops().buffer_header(buffer), values);
  guess_flowc(ops().buffer_header(buffer), mtu);
  const int rc = ops().send_l2t(dev(), buffer, route_.control_queue, 1, route_.l2t,
                                &OffloadAdapter::on_arp_failure, adapter_.get());
  if (rc < 0) ops().buffer_free(buffer);
  return Status::from_errno(rc);
}

// For an abort before CPL_PASS_ESTABLISH: what is known without it.
void OffloadConn::guess_flowc(const uint8_t* accept_reply, uint32_t mtu) {
  const lld_device_info& info = adapter_->info();
  // SAFETY: the reply was written there; a CPL is bytes with alignment 1.
  flowc_.snd_nxt = reinterpret_cast<const cpl::PassAcceptRpl*>(accept_reply)->iss.get() + 1;
  flowc_.mss = wr::segment_of(mtu, request_.local.is_ipv6 != 0, request_.timestamps);
  flowc_.plen_max = info.has_iso != 0 ? iso_payload_max(info.max_fragments) : kPlainPlenMax;
}

void OffloadConn::on_establish(const OffloadMessage& message) {
  cpl::PassEstablish established;
  is_accepted_ = true;
  if (state_ == OffloadState::kAborting) return;
  if (state_ != OffloadState::kOpening || !message.read(&established)) {
    offload_stats.add(OffloadCount::kBadMessages);
    return fail(-static_cast<int>(Error::kIo));
  }
  state_ = OffloadState::kEstablished;
  clear_limit();
  if (!fill_flowc(established)) return fail(-static_cast<int>(Error::kNoMemory));
  assembler_.start(adapter_->info().chip, established.rcv_isn.get());
  hand_over();
}

// The message was allocated for a connection without window scaling.
bool OffloadConn::fill_flowc(const cpl::PassEstablish& established) {
  const lld_device_info& info = adapter_->info();
  const uint16_t options = established.tcp_opt.get();
  flowc_.snd_nxt = established.snd_isn.get();
  flowc_.rcv_nxt = established.rcv_isn.get();
  flowc_.mss = wr::effective_mss(info.mtus, options, request_.local.is_ipv6 != 0);
  flowc_.plen_max = info.has_iso != 0 ? iso_payload_max(info.max_fragments) : kPlainPlenMax;
  const uint32_t size = wr::flowc_size(flowc_);
  wr::FlowcValues scaled = flowc_;
  if ((options & cpl::kTcpOptWindowScale) != 0) {
    scaled.send_scale = (options >> cpl::kTcpOptSndScaleShift) & 0xf;
  }
  if (wr::flowc_size(scaled) != size) {
    lld_buffer* buffer = ops().buffer_alloc(dev(), wr::flowc_size(scaled), 0);
    if (buffer == nullptr) return false;
    ops().buffer_free(std::exchange(flowc_buffer_, buffer));
  }
  flowc_ = scaled;
  return true;
}

chiscsi_tcp_endpoints OffloadConn::endpoints() const {
  chiscsi_tcp_endpoints both = {};
  both.f_ipv6 = request_.local.is_ipv6 != 0 ? 1 : 0;
  both.iaddr = endpoint_of(request_.peer);
  both.taddr = endpoint_of(request_.local);
  both.port_id = route_.port;
  return both;
}

// The target may begin before the call returns, so it is the owner before it is called; the
// reference is the target's pointer.
void OffloadConn::hand_over() {
  const chiscsi_tcp_endpoints both = endpoints();
  ref();
  set_owner(Owner::kTarget);
  offload_stats.add(OffloadCount::kConnsOffloaded);
  if (portal_->announce(*this, both, &port_) == 0) return;
  offload_stats.subtract(OffloadCount::kConnsOffloaded);
  set_owner(Owner::kControl);
  unref();
  offload_stats.add(OffloadCount::kConnsRefused);
  abort();
  wake();  // What came meanwhile has woken nobody.
}

}  // namespace chiscsi
