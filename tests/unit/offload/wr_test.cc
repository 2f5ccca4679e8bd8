// SPDX-License-Identifier: GPL-2.0-only
//
// Work requests against bytes worked out by hand from the layouts of t4_msg.h, t4fw_api.h and the
// shifts of t4_tcb.h; the working stands beside each. The tid is 0x123, the ingress queue 0x45.
//
// Of every FW_TP_WR (INIT_TP_WR of cxgb4_uld.h): word 0 = 0x05 << 24 | (message size - 16), word 1
// = flow id << 8 | message size in units of 16 rounded up, words 2 and 3 = 0; then opcode << 24 |
// tid.
#include "offload/wr.hh"

#include <gtest/gtest.h>

#include "offload/iso.hh"
#include "wire_bytes.hh"

namespace chiscsi::test {
namespace {

constexpr uint32_t kTid = 0x123;
constexpr uint32_t kQueue = 0x45;

TEST(WorkRequests, TidReleaseAndCloseHaveTheirBytes) {
  // 24 bytes: 8 behind the header, 2 units, sent in 32.
  EXPECT_EQ(written(wr::kTidReleaseSize, [](uint8_t* out) { wr::write_tid_release(out, kTid); }),
            spaced("05000008 00012302 00000000 00000000 1a000123 00000000 00000000 00000000"));
  // The same with COMPL, bit 21 of word 0.
  EXPECT_EQ(written(wr::kCloseConReqSize, [](uint8_t* out) { wr::write_close_con_req(out, kTid); }),
            spaced("05200008 00012302 00000000 00000000 08000123 00000000 00000000 00000000"));
}

TEST(WorkRequests, AbortsHaveTheirBytes) {
  // 32 bytes: 16 behind the header. Reserved word, reserved byte, cmd, six reserved bytes.
  EXPECT_EQ(written(wr::kAbortSize, [](uint8_t* out) { wr::write_abort_req(out, kTid, true); }),
            spaced("05000010 00012302 00000000 00000000 0a000123 00000000 00000000 00000000"));
  EXPECT_EQ(written(wr::kAbortSize, [](uint8_t* out) { wr::write_abort_req(out, kTid, false); }),
            spaced("05000010 00012302 00000000 00000000 0a000123 00000000 00010000 00000000"));
  EXPECT_EQ(written(wr::kAbortSize, [](uint8_t* out) { wr::write_abort_rpl(out, kTid); }),
            spaced("05000010 00012302 00000000 00000000 0b000123 00000000 00010000 00000000"));
  EXPECT_EQ(wr::kAbortCost, 2u);
}

TEST(WorkRequests, OnlyThreeStatusesAreNegativeAdvice) {
  for (unsigned status = 0; status < 256; ++status)
    EXPECT_EQ(wr::is_negative_advice(static_cast<uint8_t>(status)), status >= 35 && status <= 37);
}

TEST(WorkRequests, SetTcbHasItsBytes) {
  // 40 bytes: 0x18 behind the header, 3 units. reply_ctrl = queue, NO_REPLY (bit 15) clear;
  // word_cookie = word 0 | cookie 1 << 5; mask 3 << 4; header is 1, data 2.
  const auto digests = [](bool header, bool data) {
    return written(wr::kSetTcbSize, [header, data](uint8_t* out) {
      wr::write_set_digests(out, kTid, kQueue, header, data);
    });
  };
  const std::string start = "05000018 00012303 00000000 00000000 05000123 ";
  EXPECT_EQ(digests(true, true),
            spaced(start + "00450020 00000000 00000030 00000000 00000030 00000000 00000000"));
  EXPECT_EQ(digests(true, false),
            spaced(start + "00450020 00000000 00000030 00000000 00000010 00000000 00000000"));
  EXPECT_EQ(digests(false, true),
            spaced(start + "00450020 00000000 00000030 00000000 00000020 00000000 00000000"));
  EXPECT_EQ(digests(false, false),
            spaced(start + "00450020 00000000 00000030 00000000 00000000 00000000 00000000"));
  // The page size: cookie 2 << 5, two bits at 8.
  EXPECT_EQ(
      written(wr::kSetTcbSize, [](uint8_t* out) { wr::write_set_page_size(out, kTid, kQueue, 2); }),
      spaced(start + "00450040 00000000 00000300 00000000 00000200 00000000 00000000"));
  // Any word: 5 bits of word, 3 of cookie, 64 of mask and value.
  EXPECT_EQ(written(wr::kSetTcbSize,
                    [](uint8_t* out) {
                      wr::write_set_tcb(out, kTid, kQueue, 0x1f, 0x0123456789abcdef,
                                        0xfedcba9876543210, 7);
                    }),
            spaced(start + "004500ff 01234567 89abcdef fedcba98 76543210 00000000 00000000"));
}

TEST(WorkRequests, TheReplyOfSetTcbBringsTheCookieBack) {
  // TCB_COOKIE_G: three bits at 5 of the reply's byte.
  cpl::SetTcbRpl reply = {};
  reply.cookie = 0x20;
  EXPECT_EQ(wr::reply_cookie(reply), wr::kCookieDigests);
  reply.cookie = 0x40;
  EXPECT_EQ(wr::reply_cookie(reply), wr::kCookiePageSize);
}

TEST(WorkRequests, RxDataAckHasItsBytes) {
  // CHANGE bit 31, mode 3 at 29, credits below: 0xe0010000 for 64 KiB.
  EXPECT_EQ(
      written(wr::kRxDataAckSize, [](uint8_t* out) { wr::write_rx_data_ack(out, kTid, 0x10000); }),
      spaced("05000008 00012302 00000000 00000000 0d000123 e0010000 00000000 00000000"));
  // Bit 28 (force) stays clear whatever is asked for.
  EXPECT_EQ(
      written(wr::kRxDataAckSize, [](uint8_t* out) { wr::write_rx_data_ack(out, kTid, ~0u); }),
      spaced("05000008 00012302 00000000 00000000 0d000123 efffffff 00000000 00000000"));
}

wr::AcceptValues accept_values() {
  wr::AcceptValues values;
  values.tid = kTid;
  values.chip = 5;
  values.tx_channel = 1;
  values.smac_index = 3;
  values.l2t_index = 0x45;
  values.mss_index = 8;
  values.receive_window = 256 * 1024;
  values.rx_queue_id = kQueue;
  values.random = 0x12345677;
  values.tos = 0x28;
  values.timestamps = true;
  values.sack = true;
  return values;
}

TEST(WorkRequests, AcceptReplyHasItsBytes) {
  // opt0, low word: channel 1 << 2, ULP mode 2 << 8, 0x100 KiB << 12, DSCP 0xa << 22, SMAC 3 << 28
  // = 0x32900204. High word (shifts less 32): L2T 0x45 << 4, TCAM bypass bit 16, scale 3 << 18
  // (65535
  // << 2 is 262140, 4 short), MSS 8 << 28 = 0x800d0450.
  // opt2: queue 0x45, valid bit 10, NewReno 2 << 14, ISS bit 18, scale 28, timestamps 29, SACK 30,
  // valid 31 = 0xf0048445. iss: 0x12345670 - 1.
  const std::string start = "05000018 00012303 00000000 00000000 02000123 ";
  const std::string end = " 800d0450 32900204 1234566f 00000000 00000000 00000000";
  wr::AcceptValues values = accept_values();
  const auto reply = [&values] {
    return written(wr::kAcceptReplySize,
                   [&values](uint8_t* out) { wr::write_accept_reply(out, values); });
  };
  EXPECT_EQ(reply(), spaced(start + "f0048445" + end));
  // T6: RX_FC_DISABLE, bit 20; ECN bit 27.
  values.chip = 6;
  values.ecn = true;
  EXPECT_EQ(reply(), spaced(start + "f8148445" + end));
  values.timestamps = values.sack = values.ecn = false;
  EXPECT_EQ(reply(), spaced(start + "90148445" + end));
}

TEST(WorkRequests, AcceptReplyKeepsFieldsInTheirBounds) {
  wr::AcceptValues values = accept_values();
  // More than 10 bits of KiB: 0x3ff << 12; the scale of 4 MiB is 7: 65535 << 6 = 4194240 < 4194304.
  values.receive_window = 4 << 20;
  EXPECT_EQ(written(wr::kAcceptReplySize,
                    [&values](uint8_t* out) { wr::write_accept_reply(out, values); }),
            spaced("05000018 00012303 00000000 00000000 02000123 f0048445"
                   "801d0450 32bff204 1234566f 00000000 00000000 00000000"));
  // A window of 16 bits has no scale: neither its value nor bit 28 of opt2. 65535 >> 10 = 63.
  values.receive_window = 65535;
  EXPECT_EQ(written(wr::kAcceptReplySize,
                    [&values](uint8_t* out) { wr::write_accept_reply(out, values); }),
            spaced("05000018 00012303 00000000 00000000 02000123 e0048445"
                   "80010450 3283f204 1234566f 00000000 00000000 00000000"));
}

TEST(WorkRequests, ServersHaveTheirBytes) {
  // 48 bytes: 0x20 behind the header, flow id 0. opt0: channel 1 << 2. opt1: ASK (1) << 22, SYN
  // queue enable, queue 0x45 << 2 = 0x400115.
  os_address local = {};
  local.port = 3260;
  local.ip[10] = local.ip[11] = 0xff;
  local.ip[12] = 192, local.ip[13] = 168, local.ip[14] = 1, local.ip[15] = 2;
  const auto open = [&local] {
    return written(wr::open_request_size(local),
                   [&local](uint8_t* out) { wr::write_open_request(out, 0x67, local, 1, kQueue); });
  };
  EXPECT_EQ(open(), spaced("05000020 00000003 00000000 00000000 01000067 0cbc0000 c0a80102 00000000"
                           "00000000 00000004 00000000 00400115"));
  // 72 bytes: 0x38 behind the header, 5 units, sent in 80.
  local.is_ipv6 = 1;
  for (uint8_t i = 0; i < 16; ++i)
    local.ip[i] = static_cast<uint8_t>(0x10 + i);
  EXPECT_EQ(open(), spaced("05000038 00000005 00000000 00000000 81000067 0cbc0000"
                           "10111213 14151617 18191a1b 1c1d1e1f 00000000 00000000 00000000 00000000"
                           "00000000 00000004 00000000 00400115 00000000 00000000"));
  // reply_ctrl: queue, IPv6 bit 14, NO_REPLY clear.
  EXPECT_EQ(written(wr::kCloseListenerSize,
                    [](uint8_t* out) { wr::write_close_listener(out, 0x67, kQueue, false); }),
            spaced("05000008 00000002 00000000 00000000 09000067 00450000 00000000 00000000"));
  EXPECT_EQ(written(wr::kCloseListenerSize,
                    [](uint8_t* out) { wr::write_close_listener(out, 0x67, kQueue, true); }),
            spaced("05000008 00000002 00000000 00000000 09000067 40450000 00000000 00000000"));
}

TEST(WorkRequests, FlowcHasItsBytes) {
  wr::FlowcValues values;
  values.tid = kTid;
  values.pf = 4;  // PFN at 8.
  values.tx_channel = 1;
  values.rx_queue_id = kQueue;
  values.snd_nxt = 0x11223344;
  values.rcv_nxt = 0x55667788;
  values.send_window = 0x40000;
  values.mss = 1448;
  values.plen_max = 16384;
  const auto flowc = [&values] {
    return written(wr::flowc_size(values),
                   [&values](uint8_t* out) { wr::write_flowc(out, values); });
  };
  // 8 + 9 * 8 = 80 bytes, 5 units.
  const std::string pairs =
      "00000000 00000400 01000000 00000001 02000000 00000001 03000000 00000045"
      "04000000 11223344 05000000 55667788 06000000 00040000 07000000 000005a8 08000000 00004000";
  EXPECT_EQ(flowc(), spaced("0a000009 00012305" + pairs));
  // A tenth pair: 88 bytes, 6 units, sent in 96.
  values.send_scale = 7;
  EXPECT_EQ(flowc(), spaced("0a00000a 00012306" + pairs + "0e000000 00000007 00000000 00000000"));
  values.has_dcb = true;
  values.dcb_priority = 3;
  EXPECT_EQ(flowc(), spaced("0a00000b 00012306" + pairs + "0e000000 00000007 0c000000 00000003"));
  EXPECT_EQ(wr::flowc_size(values), wr::kFlowcMaxSize);
}

std::string tx_data(const wr::TxDataValues& values) {
  return written(wr::kTxDataHeaderSize,
                 [&values](uint8_t* out) { wr::write_tx_data(out, values); });
}

TEST(WorkRequests, TxDataHasItsBytes) {
  // A header alone, immediate: 48 bytes, 3 units and 1. ULP mode 2 << 10, SHOVE bit 29, T5 without
  // digests: force bit 13.
  wr::TxDataValues values;
  values.tid = kTid;
  values.chip = 5;
  values.size = 48;
  values.plen = wr::plain_plen(48, 0, false, true);
  values.data_digest = true;  // In use, but there is no data.
  EXPECT_EQ(tx_data(values), spaced("0b000030 00012304 00000030 20002800"));
  // With a header digest no force, submode 1 << 6, 4 bytes more on the wire.
  values.header_digest = true;
  values.plen = wr::plain_plen(48, 0, true, true);
  EXPECT_EQ(tx_data(values), spaced("0b000030 00012304 00000034 20000840"));
  // T6: force bit 20 always.
  values.chip = 6;
  EXPECT_EQ(tx_data(values), spaced("0b000030 00012304 00000034 20100840"));
  // 4096 bytes of data in one piece: two entries are 3 * 1 / 2 + 1 + 2 = 4 flits, 32 bytes, 2 units
  // and 1; COMPL bit 21; submode 3 << 6; 48 + 4096 + 8 = 0x1038 on the wire.
  values.size = 48 + 4096;
  values.fragments = 1;
  values.has_data = true;
  values.completion = true;
  values.plen = wr::plain_plen(48, 4096, true, true);
  EXPECT_EQ(tx_data(values), spaced("0b200000 00012303 00001038 201008c0"));
  // 255 bytes of PDU are the most that is immediate: 16 units and 1.
  values = {};
  values.tid = kTid;
  values.chip = 5;
  values.size = 255;
  values.fragments = 1;
  values.has_data = true;
  values.plen = 255;
  EXPECT_EQ(tx_data(values), spaced("0b0000ff 00012311 000000ff 20002800"));
  values.size = 256;
  EXPECT_EQ(tx_data(values), spaced("0b000000 00012303 000000ff 20002800"));
}

TEST(WorkRequests, IsoTxDataHasItsBytes) {
  // Opcode 0x45; immediate: the 32 bytes of the instruction. Three pieces: four entries are
  // 9 / 2 + 1 + 2 = 7 flits: 56 + 32 = 88 bytes, 6 units and 1. Submode 8 | 3 = 0xb << 6.
  wr::TxDataValues values;
  values.tid = kTid;
  values.chip = 5;
  values.size = 48 + 3 * 8192;
  values.fragments = 3;
  values.plen = 0x6123;
  values.has_data = values.header_digest = values.data_digest = values.iso = true;
  EXPECT_EQ(tx_data(values), spaced("45000020 00012307 00006123 20000ac0"));
  // T5's force looks at digests alone.
  values.header_digest = values.data_digest = false;
  EXPECT_EQ(tx_data(values), spaced("45000020 00012307 00006123 20002a00"));
  // Immediate as well when all of it fits 271 bytes: 16 + 32 + 223. 255 bytes: 16 units and 1.
  values.size = 223;
  EXPECT_EQ(tx_data(values), spaced("450000ff 00012311 00006123 20002a00"));
  values.size = 224;
  EXPECT_EQ(tx_data(values), spaced("45000020 00012307 00006123 20002a00"));
}

TEST(WorkRequests, CostsAreThoseOfScatterLists) {
  // Flits by counting: one address pair of 16 bytes with a length, then 24 bytes for every two.
  for (uint32_t entries = 1; entries < 40; ++entries) {
    uint32_t flits = 2;
    for (uint32_t more = 1; more < entries; ++more)
      flits += more % 2 == 1 ? 2 : 1;
    EXPECT_EQ(wr::sgl_flits(entries), flits) << entries;
  }
  EXPECT_EQ(wr::tx_data_cost(48, 0, false), 4u);
  EXPECT_EQ(wr::tx_data_cost(49, 0, false), 5u);
  EXPECT_EQ(wr::tx_data_cost(8192 + 48, 1, false), 3u);
  // 17 pieces: 18 entries, 3 * 17 / 2 + 1 + 2 = 28 flits, 224 bytes.
  EXPECT_EQ(wr::tx_data_cost(65535, 17, false), 15u);
  EXPECT_EQ(wr::tx_data_cost(65535, 17, true), 17u);
  for (uint32_t fragments = 0; fragments < 40; ++fragments) {
    for (uint32_t size = 48; size < 300; ++size) {
      EXPECT_LE(wr::tx_data_cost(size, fragments, false), wr::tx_data_max_cost(fragments));
      EXPECT_LE(wr::tx_data_cost(size, fragments, true), wr::tx_data_max_cost(fragments));
    }
  }
}

TEST(WorkRequests, PodWritesHaveTheirBytes) {
  // 40 + 3 * 64 = 232, sent in 240 = 15 units; MEM_WRITE 3 << 24, IMM bit 23; 14 units behind the
  // header; 192 / 32 = 6; address 0x12340 >> 5 = 0x91a; SC_IMM 0x81 << 24; 0xc0 bytes.
  EXPECT_EQ(wr::pod_write_size(3), 240u);
  EXPECT_EQ(wr::pod_write_cost(3), 15u);
  const std::string three = written(wr::pod_write_size(3), [](uint8_t* out) {
    EXPECT_EQ(wr::write_pod_write(out, kTid, 0x12340, 3, false), out + 40);
  });
  EXPECT_EQ(three.substr(0, 10 * 9),
            spaced("04000000 0001230f 00000000 00000000 03800000 0000000e 00000006 0000091a"
                   "81000000 000000c0") +
                " ");
  EXPECT_EQ(three.find_first_not_of("0 ", 10 * 9), std::string::npos);
  // One pod, with COMPL: 104, sent in 112 = 7 units.
  EXPECT_EQ(written(wr::pod_write_size(1),
                    [](uint8_t* out) { wr::write_pod_write(out, kTid, 0x12340, 1, true); })
                .substr(0, 10 * 9),
            spaced("04200000 00012307 00000000 00000000 03800000 00000006 00000002 0000091a"
                   "81000000 00000040") +
                " ");
}

TEST(TcpSettings, WindowsFollowTheLink) {
  EXPECT_EQ(wr::receive_window(1000), 256u * 1024);
  EXPECT_EQ(wr::receive_window(10000), 256u * 1024);
  EXPECT_EQ(wr::receive_window(25000), 512u * 1024);
  EXPECT_EQ(wr::receive_window(40000), 1023u * 1024);
  EXPECT_EQ(wr::send_window(40000), 512u * 1024);
  EXPECT_EQ(wr::receive_window(~0u), 1023u * 1024);
  EXPECT_EQ(wr::send_window(~0u), 512u * 1024);
}

TEST(TcpSettings, TheScaleIsTheSmallestThatDoes) {
  EXPECT_EQ(wr::window_scale(0), 0u);
  EXPECT_EQ(wr::window_scale(65535), 0u);
  EXPECT_EQ(wr::window_scale(65536), 1u);
  EXPECT_EQ(wr::window_scale(65535u << 14), 14u);
  EXPECT_EQ(wr::window_scale(~0u), 14u);
}

TEST(TcpSettings, MtuAndMssLeaveRoomForHeaders) {
  const uint16_t mtus[16] = {88,   256,  512,  576,  808,  1024, 1280, 1488,
                             1500, 2002, 2048, 4096, 4352, 8192, 9000, 9600};
  // Index 8 (1500) at 12, timestamps bit 7.
  EXPECT_EQ(wr::effective_mss(mtus, 0x8080, false), 1448u);
  EXPECT_EQ(wr::effective_mss(mtus, 0x8000, false), 1460u);
  EXPECT_EQ(wr::effective_mss(mtus, 0x8080, true), 1428u);
  EXPECT_EQ(wr::effective_mss(mtus, 0x0080, true), 128u);  // 88 - 72 is too few.
  EXPECT_EQ(wr::effective_mss(mtus, 0xf000, false), 9560u);
  // A peer that takes 1460 bytes: 1512 with all headers and timestamps, so 1500 stays.
  EXPECT_EQ(wr::path_mtu(1500, 1460, false, true), 1500u);
  EXPECT_EQ(wr::path_mtu(9000, 1460, false, true), 1512u);
  EXPECT_EQ(wr::path_mtu(9000, 1460, false, false), 1500u);
  EXPECT_EQ(wr::path_mtu(9000, 1440, true, false), 1500u);
  EXPECT_EQ(wr::path_mtu(9000, 0, false, false), 9000u);  // It announced nothing.
}

// CPL_PASS_ACCEPT_REQ: opcode 0x44 | tid; reserved, len; hdr_len; vlan, l2info (port 1 << 12 | MAC
// index 2); tos << 24 | stid; mss, scale, flags (timestamps bit 7, SACK bit 6); then the headers:
// Ethernet 14, IP, TCP with CWR, ECE and SYN.
std::string syn(uint32_t hdr_len, bool is_ipv6, const std::string& tcp_flags) {
  const ByteVector length = {static_cast<uint8_t>(hdr_len >> 24),
                             static_cast<uint8_t>(hdr_len >> 16),
                             static_cast<uint8_t>(hdr_len >> 8), static_cast<uint8_t>(hdr_len)};
  const std::string ip = is_ipv6 ? "60000000 00140640" +
                                       std::string("20010db8000000000000000000000001") +
                                       "20010db8000000000000000000000002"
                                 : "45280034 00004000 40060000 0a000001 0a000002";
  return "44000123 00000000" + to_hex(length.data(), 4) + "00051002 28000067 05b407c0" +
         "0007430102030007430405060800" + ip + "c0010cbc 00000001 00000000 50" + tcp_flags +
         "ffff 00000000";
}
// T5: Ethernet at 26, IP at 16, TCP at 10. T6: 24, 14, 8.
constexpr uint32_t kLengthsT5 = 14u << 26 | 20u << 16 | 20u << 10;
constexpr uint32_t kLengthsT6 = 14u << 24 | 20u << 14 | 20u << 8;
constexpr uint32_t kLengthsT6Ipv6 = 14u << 24 | 40u << 14 | 20u << 8;

bool read(const ByteVector& bytes, uint32_t chip, wr::AcceptRequest* request) {
  const auto exact = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return wr::read_accept_request(Bytes(exact.get(), bytes.size()), chip, request);
}

TEST(AcceptRequest, IsReadForBothChips) {
  for (const uint32_t chip : {5u, 6u}) {
    wr::AcceptRequest request;
    ASSERT_TRUE(
        read(from_hex(syn(chip == 5 ? kLengthsT5 : kLengthsT6, false, "c2")), chip, &request));
    EXPECT_EQ(request.tid, kTid);
    EXPECT_EQ(request.stid, 0x67u);
    EXPECT_EQ(request.port, 1u);
    EXPECT_EQ(request.vlan, 5u);
    EXPECT_EQ(request.mss, 1460u);
    EXPECT_EQ(request.tos, 0x28u);
    EXPECT_EQ(request.window_scale, 7u);
    EXPECT_TRUE(request.timestamps);
    EXPECT_TRUE(request.sack);
    EXPECT_TRUE(request.ecn);
    EXPECT_EQ(request.peer.port, 0xc001u);
    EXPECT_EQ(request.local.port, 3260u);
    EXPECT_EQ(request.local.is_ipv6, 0u);
    EXPECT_EQ(to_hex(request.peer.ip, 16), spaced("00000000 00000000 0000ffff 0a000001"));
    EXPECT_EQ(to_hex(request.local.ip, 16), spaced("00000000 00000000 0000ffff 0a000002"));
  }
}

TEST(AcceptRequest, IsReadForIpv6) {
  wr::AcceptRequest request;
  ASSERT_TRUE(read(from_hex(syn(kLengthsT6Ipv6, true, "42")), 6, &request));
  EXPECT_EQ(request.peer.is_ipv6, 1u);
  EXPECT_EQ(to_hex(request.peer.ip, 16), spaced("20010db8 00000000 00000000 00000001"));
  EXPECT_EQ(to_hex(request.local.ip, 16), spaced("20010db8 00000000 00000000 00000002"));
  EXPECT_EQ(request.peer.port, 0xc001u);
  EXPECT_FALSE(request.ecn);  // ECE alone is no offer.
}

TEST(AcceptRequest, TakesEachOptionByItself) {
  // The flags are byte 23: timestamps bit 7, SACK bit 6.
  ByteVector bytes = from_hex(syn(kLengthsT6, false, "c2"));
  for (const unsigned flags : {0x00u, 0x3fu, 0x40u, 0x80u, 0xffu}) {
    bytes[23] = static_cast<uint8_t>(flags);
    wr::AcceptRequest request;
    ASSERT_TRUE(read(bytes, 6, &request));
    EXPECT_EQ(request.timestamps, (flags & 0x80) != 0) << flags;
    EXPECT_EQ(request.sack, (flags & 0x40) != 0) << flags;
  }
}

TEST(AcceptRequest, LengthsDoNotTouchEachOther) {
  // An Ethernet header of 15 bytes: its lowest bit lies above the IP length.
  for (const uint32_t chip : {5u, 6u}) {
    const uint32_t lengths = (chip == 5 ? kLengthsT5 : kLengthsT6) + (1u << (chip == 5 ? 26 : 24));
    ByteVector bytes = from_hex(syn(lengths, false, "c2"));
    bytes.insert(bytes.begin() + 24, 0xee);
    wr::AcceptRequest request;
    ASSERT_TRUE(read(bytes, chip, &request)) << chip;
    EXPECT_EQ(request.local.port, 3260u);
    EXPECT_EQ(to_hex(request.peer.ip, 16), spaced("00000000 00000000 0000ffff 0a000001"));
  }
}

TEST(AcceptRequest, IsRefusedWhenCutAnywhere) {
  const ByteVector whole = from_hex(syn(kLengthsT6, false, "c2"));
  for (size_t size = 0; size < whole.size(); ++size) {
    wr::AcceptRequest request;
    EXPECT_FALSE(
        read(ByteVector(whole.begin(), whole.begin() + static_cast<long>(size)), 6, &request));
    EXPECT_EQ(request.tid, size < 24 ? 0u : kTid) << size;
    EXPECT_EQ(request.stid, size < 24 ? 0u : 0x67u) << size;
    EXPECT_EQ(request.local.port, 0u);
  }
}

TEST(AcceptRequest, IsRefusedWhenItsLengthsAreWrong) {
  wr::AcceptRequest request;
  // An IP header of no bytes, of fewer than it has, a version that is none, and one beyond the end.
  EXPECT_FALSE(read(from_hex(syn(14u << 24 | 20u << 8, false, "c2")), 6, &request));
  EXPECT_FALSE(read(from_hex(syn(14u << 24 | 19u << 14, false, "c2")), 6, &request));
  EXPECT_FALSE(read(from_hex(syn(14u << 24 | 39u << 14, true, "c2")), 6, &request));
  EXPECT_FALSE(read(from_hex(syn(0u << 24 | 20u << 14, false, "c2")), 6, &request));
  EXPECT_FALSE(read(from_hex(syn(~0u, false, "c2")), 6, &request));
  EXPECT_FALSE(read(from_hex(syn(~0u, false, "c2")), 5, &request));
}

TEST(Iso, InstructionHasItsBytes) {
  // Opcode 0x1f; FIRST bit 23, LAST 22, header CRC 20, data CRC 19, Data-In 2 << 16. 8192 / 4 =
  // 0x800 words per PDU; three PDUs (20000 = 8192 * 2 + 3616) count as 3 * 0x800; 48 + 20000 =
  // 0x4e50.
  IsoSlice slice;
  slice.size = 20000;
  slice.segment = 8192;
  slice.first = slice.last = slice.header_digest = slice.data_digest = true;
  const auto iso = [&slice] {
    return written(wr::kIsoHeaderSize, [&slice](uint8_t* out) { write_iso(out, slice); });
  };
  EXPECT_EQ(iso(),
            spaced("1fda0000 00000800 00001800 00004e50 00000000 00000000 00000000 00000000"));
  EXPECT_EQ(iso_plen(slice), 20000u + 3 * (48 + 8));
  slice.last = slice.data_digest = false;
  EXPECT_EQ(iso(),
            spaced("1f920000 00000800 00001800 00004e50 00000000 00000000 00000000 00000000"));
  EXPECT_EQ(iso_plen(slice), 20000u + 3 * (48 + 4));
  slice.first = slice.header_digest = false;
  slice.size = 16384;
  EXPECT_EQ(iso(),
            spaced("1f020000 00000800 00001000 00004030 00000000 00000000 00000000 00000000"));
  EXPECT_EQ(iso_plen(slice), 16384u + 2 * 48);
}

TEST(Iso, AsManyPdusAsFit) {
  // 17 * 4096 = 69632, at most 65535; 45 segments of 1448 are 65160; 8192 + 56 go 7 times.
  IsoSettings settings;
  settings.max_burst = 262144;
  settings.segment = 8192;
  settings.mss = 1448;
  settings.max_fragments = 17;
  settings.header_digest = settings.data_digest = true;
  EXPECT_EQ(iso_payload_max(17), 65535u);
  EXPECT_EQ(iso_max_pdus(settings), 7u);
  // The burst is shorter.
  settings.max_burst = 3 * 8192 + 4096;
  EXPECT_EQ(iso_max_pdus(settings), 3u);
  settings.max_burst = 2 * 8192;
  EXPECT_EQ(iso_max_pdus(settings), 2u);
  // One PDU is no sequence.
  settings.max_burst = 2 * 8192 - 1;
  EXPECT_EQ(iso_max_pdus(settings), 0u);
  // Fewer pages: 4 * 4096 = 16384, 11 segments are 15928.
  settings.max_burst = 262144;
  settings.max_fragments = 4;
  EXPECT_EQ(iso_payload_max(4), 16384u);
  EXPECT_EQ(iso_max_pdus(settings), 0u);
  settings.segment = 4096;
  EXPECT_EQ(iso_max_pdus(settings), 3u);
  // What no sequence can be made of.
  settings.segment = 4094;
  EXPECT_EQ(iso_max_pdus(settings), 0u);
  settings.segment = 0;
  EXPECT_EQ(iso_max_pdus(settings), 0u);
  settings.segment = ~3u;
  EXPECT_EQ(iso_max_pdus(settings), 0u);
  settings.segment = 512;
  settings.mss = 0;
  EXPECT_EQ(iso_max_pdus(settings), 0u);
}

TEST(Iso, FitsWholeWordsOfMoreThanOneSegment) {
  EXPECT_TRUE(iso_fits(8196, 8192, 2));
  EXPECT_TRUE(iso_fits(16384, 8192, 2));
  EXPECT_FALSE(iso_fits(8192, 8192, 2));
  EXPECT_FALSE(iso_fits(8194, 8192, 2));
  EXPECT_FALSE(iso_fits(16388, 8192, 2));
  EXPECT_FALSE(iso_fits(16, 8, 0));
  EXPECT_FALSE(iso_fits(16, 6, 7));
}

}  // namespace
}  // namespace chiscsi::test
