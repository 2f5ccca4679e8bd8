// SPDX-License-Identifier: GPL-2.0-only
//
// What tests of direct placement share: a command's buffers, R2Ts with their pods, Data-Outs.
#pragma once

#include "offload/page_pods.hh"
#include "rig.hh"

namespace chiscsi::test {

inline constexpr uint32_t kTtt = 0x10002;

// A command's buffer of whole pages.
struct Buffers {
  explicit Buffers(size_t pages) {
    memory = static_cast<uint8_t*>(aligned_alloc(OS_PAGE_SIZE, pages * OS_PAGE_SIZE));
    for (size_t i = 0; i < pages; ++i) {
      chiscsi_sgvec element = {};
      element.sg_page = memory + i * OS_PAGE_SIZE;
      element.sg_addr = memory + i * OS_PAGE_SIZE;
      element.sg_length = OS_PAGE_SIZE;
      sgl.push_back(element);
    }
    size = static_cast<uint32_t>(pages * OS_PAGE_SIZE);
  }
  ~Buffers() { free(memory); }
  uint8_t* memory;
  uint32_t size;
  std::vector<chiscsi_sgvec> sgl;
};

inline FakePdu r2t(const Buffers& buffers, uint32_t offset, uint32_t length, void* task = nullptr,
                   uint32_t ttt = kTtt) {
  FakePdu pdu = small_pdu(iscsi::Opcode::kR2t);
  pdu.bhs.as<iscsi::R2t>().target_transfer_tag = ttt;
  pdu.bhs.as<iscsi::R2t>().buffer_offset = offset;
  pdu.bhs.as<iscsi::R2t>().desired_data_transfer_length = length;
  chiscsi_rx_landing landing = {};
  landing.task = task;
  landing.sgl = buffers.sgl.data();
  landing.sgcnt = static_cast<unsigned>(buffers.sgl.size());
  landing.sgl_length = buffers.size;
  landing.offset = offset;
  landing.length = length;
  landing.total = buffers.size;
  pdu.landing = landing;
  return pdu;
}

inline iscsi::Bhs data_out(uint32_t tag, uint32_t offset, uint32_t size, uint32_t sn = 0,
                           bool final = true) {
  iscsi::Bhs bhs;
  bhs.opcode_byte = static_cast<uint8_t>(iscsi::Opcode::kDataOut);
  bhs.flags = final ? 0x80 : 0;
  bhs.data_segment_length = size;
  bhs.as<iscsi::DataOut>().target_transfer_tag = tag;
  bhs.as<iscsi::DataOut>().buffer_offset = offset;
  bhs.as<iscsi::DataOut>().data_sn = sn;
  return bhs;
}

inline uint32_t tag_of(const Sent& message) {
  const ByteVector pdu = message.pdu();
  iscsi::Bhs bhs;
  std::copy(pdu.begin(), pdu.begin() + 48, reinterpret_cast<uint8_t*>(&bhs));
  return bhs.as<iscsi::R2t>().target_transfer_tag.get();
}

struct Placed {
  Sent r2t;
  uint32_t tag = 0;
  uint32_t owed = 0;
  size_t pod_writes = 0;
  std::vector<PagePod> pods;
};

// Sends an R2T and takes what comes until it is there.
inline Placed send_r2t(Rig& rig, FakePdu pdu) {
  Placed placed;
  rig.target.send(std::move(pdu));
  rig.target.turns();
  while (rig.lld.waiting() != 0) {
    const auto message = rig.lld.next();
    placed.owed += message->length16();
    if (message->fw_opcode() == cpl::fw::kUlptx) {
      ++placed.pod_writes;
      for (size_t at = sizeof(cpl::UlpMemWrite); at + kPodSize <= message->header.size();
           at += kPodSize)
        placed.pods.push_back(message->as<PagePod>(at));
    }
    if (!message->is_data()) continue;
    EXPECT_TRUE(rig.lld.is_quiet());  // Pods are ahead of it.
    placed.r2t = *message;
    placed.tag = tag_of(*message);
  }
  return placed;
}

// The pods are overwritten with invalid ones; returns what that cost.
inline uint32_t take_invalidation(Rig& rig, size_t writes) {
  uint32_t owed = 0;
  for (size_t i = 0; i < writes; ++i) {
    const auto message = rig.lld.next_fw(cpl::fw::kUlptx);
    EXPECT_TRUE(message);
    owed += message->length16();
    for (size_t at = sizeof(cpl::UlpMemWrite); at + kPodSize <= message->header.size();
         at += kPodSize)
      EXPECT_EQ(message->as<PagePod>(at).valid_tid.get(), 0u);
    EXPECT_EQ(message->completion(), i + 1 == writes);
  }
  EXPECT_TRUE(rig.lld.is_quiet());
  return owed;
}

}  // namespace chiscsi::test
