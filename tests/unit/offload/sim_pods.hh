// SPDX-License-Identifier: GPL-2.0-only
//
// A client of the software adapter that also lends it memory: pods, mappings, R2Ts and Data-Outs.
#pragma once

#include "offload/sim/pods.hh"
#include "sim_client.hh"

namespace chiscsi::test {

using sim::Pod;

inline constexpr uint32_t kPageBytes = 4096;

class SimPods : public SimTest {
 protected:
  // Memory of so many pages, mapped page by page, with pods ready to be written.
  struct Target {
    uint8_t* memory = nullptr;
    std::vector<uint64_t> addresses;
    lld_tag tag = {};
    std::vector<Pod> pods;
    bool is_mapped = false, is_reserved = false;
  };

  Target target_of(const Link& link, uint32_t pages, uint32_t offset, uint32_t length) {
    Target target;
    target.memory = static_cast<uint8_t*>(aligned_alloc(kPageBytes, pages * kPageBytes));
    memory_.emplace_back(target.memory, &free);
    memset(target.memory, 0, pages * kPageBytes);
    for (uint32_t i = 0; i < pages; ++i) {
      const os_fragment piece = {nullptr, target.memory + i * kPageBytes, 0, kPageBytes};
      target.addresses.push_back(ops_->map(dev_, &piece));
      EXPECT_NE(target.addresses.back(), 0u);
    }
    target.is_mapped = target.is_reserved = true;
    EXPECT_EQ(ops_->ppods_reserve(dev_, pages, link.tid, &target.tag), 0);
    for (uint32_t i = 0; i < target.tag.pod_count; ++i) {
      Pod pod = {};
      pod.vld_tid = 1u << 24 | link.tid;
      pod.pgsz_tag_clr = target.tag.tag;
      pod.max_offset = length;
      pod.page_offset = offset;
      for (uint32_t k = 0; k < 5; ++k) {
        const uint32_t page = i * 4 + k;
        pod.address[k] = page < pages ? target.addresses[page] : 0;
      }
      target.pods.push_back(pod);
    }
    return target;
  }
  void write_pods(const Link& link, uint32_t first, const std::vector<Pod>& pods,
                  bool completion = true, bool control = false) {
    for (size_t at = 0; at < pods.size(); at += 3) {
      const size_t count = std::min<size_t>(3, pods.size() - at);
      ByteVector bytes((sizeof(cpl::UlpMemWrite) + count * 64 + 15) / 16 * 16);
      const auto length = static_cast<uint32_t>(bytes.size());
      cpl::UlpMemWrite write = {};
      write.wr.hi =
          uint32_t{cpl::fw::kUlptx} << cpl::kWrOpcodeShift | (completion ? cpl::kWrCompletion : 0);
      write.wr.mid = link.tid << cpl::kWrFlowIdShift | length / 16;
      write.cmd = cpl::kUlpMemWrite | cpl::kUlpMemImmediate | cpl::kUlpMemOrder;
      write.len16 = length / 16 - 1;
      write.dlen = static_cast<uint32_t>(count * 2);
      write.lock_addr = (first + static_cast<uint32_t>(at)) * 64 / 32 + lock_error_;
      write.idata_cmd = cpl::kUlpScImmediate;
      write.idata_len = static_cast<uint32_t>(count * 64);
      memcpy(bytes.data(), &write, sizeof(write));
      memcpy(&bytes[sizeof(write)], &pods[at], count * 64);
      send_bytes(bytes.data(), bytes.size(), control);
    }
  }
  void write_pods(const Link& link, const Target& target) {
    write_pods(link, target.tag.first_pod, target.pods);
  }
  void invalidate(const Link& link, const Target& target) {
    write_pods(link, target.tag.first_pod, std::vector<Pod>(target.tag.pod_count));
    inbox_.next(Opcode::kFw4Ack);
    EXPECT_TRUE(eventually([&] { return stats().pods_valid == 0; }));
  }
  void unmap(const Target& target) {
    for (uint64_t address : target.addresses)
      ops_->unmap(dev_, address, kPageBytes);
  }
  void finish(const Link& link, const Target& target) {
    invalidate(link, target);
    unmap(target);
    ops_->ppods_release(dev_, &target.tag);
  }
  void send_r2t(const Link& link, uint32_t tag, uint32_t offset, uint32_t length) {
    iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kR2t, 0);
    auto& r2t = bhs.as<iscsi::R2t>();
    r2t.target_transfer_tag = tag;
    r2t.buffer_offset = offset;
    r2t.desired_data_transfer_length = length;
    send_pdu(link, bhs, {});
    EXPECT_EQ(peer_read(link.fd, 48).size(), 48u);
  }
  static iscsi::Bhs data_out(uint32_t tag, uint32_t offset, uint32_t size, bool final,
                             uint32_t number = 0) {
    iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kDataOut, size, final);
    auto& pdu = bhs.as<iscsi::DataOut>();
    pdu.target_transfer_tag = tag;
    pdu.buffer_offset = offset;
    pdu.data_sn = number;
    return bhs;
  }
  // What the end of a Data-Out says.
  uint32_t errors_of(const Link& link, const iscsi::Bhs& bhs, const ByteVector& data) {
    peer_write(link.fd, wire_of(bhs, data, 0));
    return inbox_.next(Opcode::kRxIscsiDdp).as<cpl::RxIscsiDdp>().ddpvld.get() & 0x0fff'ffff;
  }

  uint32_t lock_error_ = 0;
  std::vector<std::unique_ptr<uint8_t, decltype(&free)>> memory_;
};

}  // namespace chiscsi::test
