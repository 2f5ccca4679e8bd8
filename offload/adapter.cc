// SPDX-License-Identifier: GPL-2.0-only
//
// Adapters: see the header.
#include "offload/adapter.hh"

#include "offload/connection.hh"
#include "offload/counters.hh"
#include "offload/server.hh"
#include "offload/wr.hh"
#include "os/log.h"

namespace chiscsi {

OffloadLimits offload_limits;

namespace {

constexpr size_t kZeros = 16;
constexpr uint32_t kUnusedStepMs = 100;
constexpr uint32_t kUnusedReportMs = 10'000;
// Section 11 of RFC 7143 and the adapters' longest PDU: BHS, AHS and digests beside the data.
constexpr uint32_t kPduOverhead = 48 + 256 + 8;
constexpr uint32_t kLongestPduT5 = 16224 - kPduOverhead;
constexpr uint32_t kLongestDataT6 = 16384;
constexpr uint32_t kPlaceablePages = 4;  // What one page pod is enough for, whatever the offset.

uint32_t lesser(uint32_t a, uint32_t b) { return a < b ? a : b; }

bool is_conn_message(cpl::Opcode opcode) {
  switch (opcode) {
    case cpl::Opcode::kPeerClose:
    case cpl::Opcode::kAbortReqRss:
    case cpl::Opcode::kAbortRplRss:
    case cpl::Opcode::kCloseConRpl:
    case cpl::Opcode::kIscsiHdr:
    case cpl::Opcode::kIscsiData:
    case cpl::Opcode::kRxData:
    case cpl::Opcode::kRxDataDdp:
    case cpl::Opcode::kRxIscsiCmp:
    case cpl::Opcode::kRxIscsiDdp:
    case cpl::Opcode::kSetTcbRpl:
    case cpl::Opcode::kPassEstablish:
    case cpl::Opcode::kFw4Ack:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct OffloadAdapter::Shard {
  ~Shard() {
    if (lock != nullptr) os_spinlock_destroy(lock);
  }
  os_spinlock* lock = os_spinlock_create();
  List<OffloadConn, &OffloadConn::adapter_node> conns;
};

struct OffloadAdapter::Servers {
  List<OffloadServer, &OffloadServer::adapter_node> list;
};

// One or two ticks pass until the pods are given back.
struct OffloadAdapter::Retired {
  using Tasks = List<DdpTask, &DdpTask::node>;
  Tasks fresh, settled;
};

// --- Life ---

OffloadAdapter::OffloadAdapter(const lld_ops* ops, lld_device* dev, const lld_device_info* info,
                               Worker& control, CameUp came_up)
    : ops_(ops), dev_(dev), info_(*info), control_(control), came_up_(came_up) {
  // Also without pods the adapter looks at the bit that says a tag is none of its own.
  if (info_.tag_mask != 0) tags_ = TagFormat::from_mask(info_.tag_mask);
  const bool can_place = info_.ppod_size != 0 && tags_.can_place();
  if (can_place) page_index_ = page_size_index(info_.page_orders, OS_PAGE_SIZE);
}

Result<Ref<OffloadAdapter>> OffloadAdapter::create(const lld_ops* ops, lld_device* dev,
                                                   const lld_device_info* info, Worker& control,
                                                   CameUp came_up) {
  if ((info->chip != 5 && info->chip != 6) || info->rx_queue_count == 0 || info->tid_count == 0) {
    return Error::kNotSupported;
  }
  auto adapter = Ref<OffloadAdapter>::adopt(
      make<OffloadAdapter>(Alloc::kMaySleep, ops, dev, info, control, came_up));
  if (!adapter || !adapter->prepare()) return Error::kNoMemory;
  return adapter;
}

bool OffloadAdapter::prepare() {
  for (OwnPtr<Shard>& shard : shards_) {
    shard = make<Shard>(Alloc::kMaySleep);
    if (!shard || shard->lock == nullptr) return false;
  }
  slots_ = static_cast<OffloadConn**>(
      allocate(sizeof(OffloadConn*) * info_.tid_count, Alloc::kMaySleep));
  servers_ = make<Servers>(Alloc::kMaySleep);
  zeros_ = Buffer::allocate(kZeros);
  retired_ = make<Retired>(Alloc::kMaySleep);
  retired_mutex_ = os_mutex_create();
  unused_ = os_event_create();
  lock_ = os_spinlock_create();
  if (!retired_ || retired_mutex_ == nullptr) return false;
  return slots_ != nullptr && servers_ && zeros_ && unused_ != nullptr && lock_ != nullptr;
}

OffloadAdapter::~OffloadAdapter() {
  if (lock_ != nullptr) os_spinlock_destroy(lock_);
  if (retired_mutex_ != nullptr) os_mutex_destroy(retired_mutex_);
  if (unused_ != nullptr) os_event_destroy(unused_);
  os_free(slots_);
}

uint32_t OffloadAdapter::max_data_segment() const {
  uint32_t most = info_.chip == 5 ? kLongestPduT5 : kLongestDataT6;
  if (info_.iscsi_iolen > kPduOverhead) most = lesser(most, info_.iscsi_iolen - kPduOverhead);
  most = lesser(most & ~3u, kPlaceablePages * OS_PAGE_SIZE);
  return info_.max_fragments > 1 ? lesser(most, (info_.max_fragments - 1) * OS_PAGE_SIZE) : most;
}

// Before it was up the first time it is down too, and has nothing to lose.
bool OffloadAdapter::is_lost() const {
  const int state = state_.load();
  return state == LLD_STATE_RECOVERY || state == LLD_STATE_FATAL ||
         (state == LLD_STATE_DOWN && life_.load() != 0);
}

// Who has seen that it is up has seen its new life too.
void OffloadAdapter::set_state(lld_state state) {
  const int before = state_.load();
  if (state == LLD_STATE_DETACH && is_lost()) return;  // It answers no more than before.
  const bool reborn = state == LLD_STATE_UP && before != LLD_STATE_UP;
  if (reborn) life_.fetch_add(1);
  state_.store(state);
  os_log(OS_LOG_INFO, "offload: %s: state %d", info_.name, static_cast<int>(state));
  if (state == LLD_STATE_UP) {
    if (reborn) wake_conns(0, true);  // They may not have seen that it was lost.
    ref();
    if (!up_posted_.request(control_)) unref();
  } else {
    wake_conns(0, true);
    wake_servers();
  }
}

void OffloadAdapter::on_up(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  auto adapter = Ref<OffloadAdapter>::adopt(&container_of(posted, &OffloadAdapter::up_posted_));
  posted.begin();
  if (adapter->is_up()) adapter->came_up_(*adapter);
}

void OffloadAdapter::begin_leaving() {
  if (leaving_since_ms_ == 0) leaving_since_ms_ = os_now_ms();
  if (!is_dead()) state_.store(LLD_STATE_DETACH);
  wake_conns(0, true);
}

void OffloadAdapter::wait_until_unused() {
  uint64_t report = leaving_since_ms_ + kUnusedReportMs;
  accept_requests();  // They are refused, while the adapter can be told.
  while (!close_door()) {
    os_event_wait(unused_, kUnusedStepMs);
    const uint64_t now = os_now_ms();
    // It is in no list of the control worker's ticks any more.
    wake_conns(now, false);
    forsake_when_late();
    if (now < report) continue;
    report = now + kUnusedReportMs;
    os_log(OS_LOG_WARNING, "offload: %s goes away, %u connections are left", info_.name,
           conn_count_.load());
  }
  forsaken_.store(true);
  free_retired(true);
  forget_servers();
}

// True when nobody uses the device; from then on nobody will.
bool OffloadAdapter::close_door() {
  SpinGuard guard(lock_);
  if (users_ != 0 || conn_count_.load() != 0) return false;
  closed_ = true;
  return true;
}

bool OffloadAdapter::enter() {
  SpinGuard guard(lock_);
  if (closed_) return false;
  ++users_;
  return true;
}

void OffloadAdapter::leave() {
  SpinGuard guard(lock_);
  if (--users_ == 0) os_event_signal(unused_);
}

void OffloadAdapter::forsake_when_late() {
  if (os_now_ms() - leaving_since_ms_ < offload_limits.detach || forsaken_.exchange(true)) return;
  wake_conns(0, true);
  wake_servers();
}

void OffloadAdapter::wake_servers() {
  SpinGuard guard(lock_);
  servers_->list.for_each([](OffloadServer& server) { server.wake(); });
}

void OffloadAdapter::retire(DdpTask& task) {
  SpinGuard guard(lock_);
  retired_->fresh.push_back(task);
}

void OffloadAdapter::free_retired(bool all) {
  MutexGuard mutex(retired_mutex_);
  Retired::Tasks done;
  {
    SpinGuard guard(lock_);
    done.splice_back(retired_->settled);
    (all ? done : retired_->settled).splice_back(retired_->fresh);
  }
  while (DdpTask* task = done.pop_front())
    destroy(task);
}

void OffloadAdapter::forget_servers() {
  while (true) {
    Ref<OffloadServer> server;
    SpinGuard guard(lock_);
    server = Ref<OffloadServer>::adopt(servers_->list.pop_front());
    if (!server) return;
  }
}

// --- Messages ---

int OffloadAdapter::receive(const lld_ingress& message) {
  cpl::OpcodeTid head;
  const MutableBytes bytes(reinterpret_cast<uint8_t*>(&head), sizeof(head));
  bool taken = true;
  if (peek_ingress(message, bytes) != sizeof(head)) {
    offload_stats.add(OffloadCount::kBadMessages);
    drop_pages(message);
  } else if (head.opcode() == cpl::Opcode::kPassAcceptReq) {
    taken = take_request(message);
  } else if (is_conn_message(head.opcode())) {
    taken = take_to_conn(message, head.opcode(), head.tid());
  } else {
    if (head.opcode() == cpl::Opcode::kPassOpenRpl ||
        head.opcode() == cpl::Opcode::kCloseListsrvRpl) {
      server_reply(message, head.opcode());
    }
    drop_pages(message);
  }
  return taken ? 0 : -static_cast<int>(Error::kNoMemory);
}

// Under the lock of the table, so that no reference can be the last one in softirq.
bool OffloadAdapter::take_to_conn(const lld_ingress& message, cpl::Opcode opcode, uint32_t tid) {
  OffloadMessage* own = OffloadMessage::copy(message, opcode);
  if (own == nullptr) return false;
  bool found = false;
  if (has_tid(tid)) {
    SpinGuard guard(shard_of(tid).lock);
    OffloadConn* conn = slot_of(tid);
    found = conn != nullptr;
    if (found && conn->receive(*own)) return true;
  }
  if (!found) offload_stats.add(OffloadCount::kBadMessages);
  OffloadMessage::drop(own, ops_->page_put);
  return true;
}

bool OffloadAdapter::take_request(const lld_ingress& message) {
  OffloadMessage* own = OffloadMessage::copy(message, cpl::Opcode::kPassAcceptReq);
  if (own == nullptr) return false;
  own->life = life();
  {
    SpinGuard guard(lock_);
    requests_.push_back(*own);
  }
  ref();
  if (!requests_posted_.request(control_)) unref();
  return true;
}

void OffloadAdapter::on_requests(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  auto adapter =
      Ref<OffloadAdapter>::adopt(&container_of(posted, &OffloadAdapter::requests_posted_));
  posted.begin();
  adapter->accept_requests();
}

void OffloadAdapter::accept_requests() {
  while (true) {
    OffloadMessage* message;
    {
      SpinGuard guard(lock_);
      message = requests_.pop_front();
    }
    if (message == nullptr) return;
    if (const AdapterUse use(*this); use) OffloadConn::accept(*this, *message);
    OffloadMessage::drop(message, ops_->page_put);
  }
}

void OffloadAdapter::server_reply(const lld_ingress& message, cpl::Opcode opcode) {
  cpl::StatusRpl reply;
  const MutableBytes bytes(reinterpret_cast<uint8_t*>(&reply), sizeof(reply));
  OffloadServer* server = nullptr;
  if (peek_ingress(message, bytes) == sizeof(reply)) {
    SpinGuard guard(lock_);
    server = find_server_locked(reply.ot.tid());
    if (server != nullptr) server->on_reply(opcode, reply.status);
  }
  if (server == nullptr) offload_stats.add(OffloadCount::kBadMessages);
}

void OffloadAdapter::drop_pages(const lld_ingress& message) {
  for (uint32_t i = 0; message.bytes == nullptr && i < message.fragment_count; ++i)
    ops_->page_put(message.fragments[i].page);
}

bool OffloadAdapter::send_control(lld_buffer* buffer, uint32_t control_queue) {
  if (ops_->send(dev_, buffer, control_queue, 1) >= 0) return true;
  ops_->buffer_free(buffer);
  return false;
}

// What goes to no peer goes on, an abort without a reset, unless the adapter does not know the
// connection; of anything else the connection hears that it is lost.
void OffloadAdapter::on_arp_failure(lld_buffer* buffer, void* context) {
  auto& adapter = *static_cast<OffloadAdapter*>(context);
  // SAFETY: all messages that are sent so have at least the 16 bytes of a work request's header,
  // and those of FW_TP_WR a CPL behind it.
  auto& request = *reinterpret_cast<cpl::AbortReq*>(adapter.ops_->buffer_header(buffer));
  const uint32_t kind = request.wr.hi.get() >> cpl::kWrOpcodeShift;
  const bool is_cpl = kind == cpl::fw::kTp;
  const auto has_opcode = [&](cpl::Opcode opcode) {
    return is_cpl && request.ot.opcode() == opcode;
  };
  const bool is_abort = has_opcode(cpl::Opcode::kAbortReq);
  const bool needs_hop =
      !is_abort && !has_opcode(cpl::Opcode::kAbortRpl) && kind != cpl::fw::kFlowc;
  const uint32_t tid = is_cpl ? request.ot.tid() : request.wr.mid.get() >> cpl::kWrFlowIdShift;
  uint32_t queue = 0;
  bool goes_on = false;
  if (adapter.has_tid(tid)) {
    SpinGuard guard(adapter.shard_of(tid).lock);
    OffloadConn* conn = adapter.slot_of(tid);
    if (conn != nullptr && needs_hop) conn->lost_message(has_opcode(cpl::Opcode::kPassAcceptRpl));
    goes_on = conn != nullptr && !needs_hop && !conn->is_unknown();
    if (goes_on) queue = conn->tx_queue();
  }
  if (is_abort) request.cmd = cpl::kAbortNoRst;
  if (goes_on && adapter.ops_->send(adapter.dev_, buffer, queue, 0) >= 0) return;
  adapter.ops_->buffer_free(buffer);
}

// Where there is no memory for the message, the backend sends it for a tid that it forgets.
void OffloadAdapter::refuse(uint32_t tid, uint32_t control_queue, bool is_ipv6) {
  offload_stats.add(OffloadCount::kConnsRefused);
  if (is_lost()) return;
  lld_buffer* buffer = ops_->buffer_alloc(dev_, wr::kTidReleaseSize, 0);
  if (buffer != nullptr) {
    wr::write_tid_release(ops_->buffer_header(buffer), tid);
    if (send_control(buffer, control_queue)) return;
  }
  ops_->tid_insert(dev_, this, tid, is_ipv6);
  ops_->tid_remove(dev_, tid, control_queue, is_ipv6);
}

// --- Connections ---

bool OffloadAdapter::insert(OffloadConn& conn) {
  if (!has_tid(conn.tid())) return false;
  Shard& shard = shard_of(conn.tid());
  SpinGuard guard(shard.lock);
  // Who ends all connections looks here afterwards.
  if (!is_up() || is_forsaken() || conn.is_forgotten()) return false;
  OffloadConn*& slot = slot_of(conn.tid());
  if (slot != nullptr) return false;
  conn.ref();
  slot = &conn;
  shard.conns.push_back(conn);
  conn_count_.fetch_add(1);
  offload_stats.add(OffloadCount::kConnections);
  return true;
}

void OffloadAdapter::remove(OffloadConn& conn) {
  {
    Shard& shard = shard_of(conn.tid());
    SpinGuard guard(shard.lock);
    OffloadConn*& slot = slot_of(conn.tid());
    CHISCSI_CHECK(slot == &conn);
    slot = nullptr;
    shard.conns.remove(conn);
  }
  conn.unref();
}

void OffloadAdapter::conn_ended() {
  offload_stats.subtract(OffloadCount::kConnections);
  if (conn_count_.fetch_sub(1) == 1) os_event_signal(unused_);
}

Ref<OffloadConn> OffloadAdapter::find(uint32_t tid) {
  if (!has_tid(tid)) return {};
  SpinGuard guard(shard_of(tid).lock);
  return Ref<OffloadConn>::share(slot_of(tid));
}

void OffloadAdapter::wake_conns(uint64_t now_ms, bool all) {
  for (OwnPtr<Shard>& shard : shards_) {
    SpinGuard guard(shard->lock);
    shard->conns.for_each([&](OffloadConn& conn) {
      if (all || conn.limit_passed(now_ms)) conn.wake();
    });
  }
}

// --- Servers ---

void OffloadAdapter::insert(OffloadServer& server) {
  server.ref();
  SpinGuard guard(lock_);
  servers_->list.push_back(server);
}

void OffloadAdapter::remove(OffloadServer& server) {
  {
    SpinGuard guard(lock_);
    if (!server.adapter_node.is_linked()) return;
    servers_->list.remove(server);
  }
  server.unref();
}

OffloadServer* OffloadAdapter::find_server_locked(uint32_t stid) {
  return servers_->list.find([&](OffloadServer& server) { return server.stid() == stid; });
}

Ref<OffloadServer> OffloadAdapter::find_server(uint32_t stid) {
  SpinGuard guard(lock_);
  return Ref<OffloadServer>::share(find_server_locked(stid));
}

}  // namespace chiscsi
