// SPDX-License-Identifier: GPL-2.0-only
//
// What data of the client becomes on the network: whole PDUs, with digests put in, and sequences
// of Data-In PDUs made from one.
#include "offload/sim/conn.hh"
#include "os/digest.h"
#include "os/log.h"

namespace chiscsi::sim {

namespace {
constexpr uint32_t kTries = 3;
constexpr uint32_t kLongestIso = 65535;
constexpr uint32_t kUlpModeMask = 7;        // T5's force bit is the next one.
constexpr uint8_t kDataInStatus = 0x01;     // S.
constexpr uint8_t kDataInResiduals = 0x06;  // O and U.

Buffer sure_buffer(size_t size) {
  Buffer made;
  for (uint32_t i = 0; i < kTries && !made; ++i)
    made = Buffer::allocate(size);
  return made;
}

uint32_t put_digest(MutableBytes out, Bytes data) {
  const uint32_t crc = ~os_crc32c(~0u, data.data(), data.size());
  for (uint32_t i = 0; i < 4; ++i)
    out[i] = static_cast<uint8_t>(crc >> (8 * i));
  return 4;
}

uint32_t digest_bytes(uint32_t submode, uint32_t data_size) {
  return ((submode & cpl::kTxSubmodeHeaderCrc) != 0 ? 4 : 0) +
         ((submode & cpl::kTxSubmodeDataCrc) != 0 && data_size != 0 ? 4 : 0);
}

// SAFETY: callers have seen that 48 bytes are there; a Bhs is made of bytes.
iscsi::Bhs& bhs_at(uint8_t* bytes) { return *reinterpret_cast<iscsi::Bhs*>(bytes); }

}  // namespace

// False: there is nothing that could be sent.
bool Conn::build_wire(lld_buffer& buffer) {
  const uint32_t opcode = buffer.as<cpl::TxDataWr>().op_to_immdlen.get() >> cpl::kWrOpcodeShift;
  const bool is_iso = opcode == cpl::fw::kIscsiTxData;
  const uint32_t skip = sizeof(cpl::TxDataWr) + (is_iso ? sizeof(cpl::TxDataIso) : 0);
  const uint32_t in_header = buffer.header_size - skip;
  Buffer stream = sure_buffer(in_header + buffer.payload);
  if (!stream) return false;
  copy_bytes(stream.bytes(), {buffer.header() + skip, in_header});
  copy_payload(buffer, stream.bytes().skip(in_header));
  return is_iso ? build_iso(buffer, stream.bytes()) : build_plain(buffer, stream.bytes());
}

// What the submode has to be follows from the connection's digests, but for a Login Response.
void Conn::check_mode(lld_buffer& buffer, const iscsi::Bhs& bhs, uint32_t data_size) {
  const uint32_t word = buffer.as<cpl::TxDataWr>().tunnel_to_proxy.get();
  const uint32_t submode = word >> cpl::kTxUlpSubmodeShift & 0xf;
  const bool is_iso = (submode & cpl::kTxSubmodeIso) != 0;
  uint32_t right = digests();
  if (data_size == 0) right &= ~cpl::kTxSubmodeDataCrc;
  if (bhs.opcode() == iscsi::Opcode::kLoginResponse) right = 0;
  if (is_iso) right |= cpl::kTxSubmodeIso;
  const bool forced =
      device_.is_t6() ? (word & cpl::kTxForceT6) != 0
                      : ((word & cpl::kTxForceT5) != 0) == ((submode & ~cpl::kTxSubmodeIso) == 0);
  if (submode != right || !forced ||
      (word >> cpl::kTxUlpModeShift & kUlpModeMask) != cpl::kTxUlpModeIscsi) {
    broken(Check::tx_mode, word);
  }
}

bool Conn::build_plain(lld_buffer& buffer, MutableBytes stream) {
  const auto& wr = buffer.as<cpl::TxDataWr>();
  const iscsi::Bhs& bhs = bhs_at(stream.data());
  const uint32_t header = iscsi::kBhsSize + bhs.total_ahs_length * 4u;
  const uint32_t data = bhs.data_segment_length.get();
  if (stream.size() != header + data + iscsi::pad_of(data)) {
    broken(Check::tx_framing, uint64_t{stream.size()} << 32 | data);
    return false;
  }
  check_mode(buffer, bhs, data);
  const uint32_t submode = wr.tunnel_to_proxy.get() >> cpl::kTxUlpSubmodeShift & 0xf;
  const size_t size = stream.size() + digest_bytes(submode, data);
  if (wr.plen.get() != size) broken(Check::tx_plen, uint64_t{wr.plen.get()} << 32 | size);
  if (bhs.opcode() == iscsi::Opcode::kR2t) check_r2t(bhs);
  buffer.wire = sure_buffer(size);
  if (!buffer.wire) return false;
  put_pdu(buffer.wire.bytes(), stream.first(header), stream.skip(header), submode);
  return true;
}

uint32_t Conn::put_pdu(MutableBytes out, Bytes header, Bytes data, uint32_t submode) {
  uint32_t at = static_cast<uint32_t>(copy_bytes(out, header));
  if ((submode & cpl::kTxSubmodeHeaderCrc) != 0) at += put_digest(out.skip(at), header);
  at += static_cast<uint32_t>(copy_bytes(out.skip(at), data));
  if ((submode & cpl::kTxSubmodeDataCrc) != 0 && !data.empty()) {
    at += put_digest(out.skip(at), data);
  }
  device_.counters().pdus_out.fetch_add(1);
  return at;
}

bool Conn::build_iso(lld_buffer& buffer, MutableBytes stream) {
  const auto& wr = buffer.as<cpl::TxDataWr>();
  // SAFETY: a TxDataIso is made of bytes; the work request's length was checked.
  const auto& iso = *reinterpret_cast<const cpl::TxDataIso*>(buffer.header() + sizeof(wr));
  const uint32_t submode = wr.tunnel_to_proxy.get() >> cpl::kTxUlpSubmodeShift & 0xf;
  const auto payload = static_cast<uint32_t>(stream.size()) - iscsi::kBhsSize;
  const uint32_t most = iso.mpdu.get() * 4u;
  const uint32_t flags = iso.op_to_scsi.get();
  const uint32_t count = most == 0 ? 0 : (payload + most - 1) / most;
  const iscsi::Bhs& bhs = bhs_at(stream.data());
  uint32_t wanted = static_cast<uint32_t>(cpl::Opcode::kTxDataIso) << 24 |
                    cpl::kIsoScsiDataIn << cpl::kIsoScsiShift;
  if ((submode & cpl::kTxSubmodeHeaderCrc) != 0) wanted |= cpl::kIsoHeaderCrc;
  if ((submode & cpl::kTxSubmodeDataCrc) != 0) wanted |= cpl::kIsoPayloadCrc;
  const uint32_t offsets =
      iso.seglen_offset.get() | iso.datasn_offset.get() | iso.buffer_offset.get();
  if (device_.config().has_iso == 0 || (flags & ~(cpl::kIsoFirst | cpl::kIsoLast)) != wanted ||
      count == 0 || payload % 4 != 0 || payload > kLongestIso || offsets != 0 ||
      iso.burst_size.get() != count * most / 4 || iso.len.get() != stream.size() ||
      iso.ahs_len != 0 || bhs.total_ahs_length != 0 || bhs.opcode() != iscsi::Opcode::kDataIn ||
      (submode & cpl::kTxSubmodeIso) == 0) {
    broken(Check::iso_shape, uint64_t{flags} << 32 | payload);
    if (count == 0) return false;
  }
  check_mode(buffer, bhs, payload);
  const uint32_t size = payload + count * (iscsi::kBhsSize + digest_bytes(submode, payload));
  if (wr.plen.get() != size) broken(Check::tx_plen, uint64_t{wr.plen.get()} << 32 | size);
  buffer.wire = sure_buffer(size);
  if (!buffer.wire) return false;
  device_.counters().iso_wrs.fetch_add(1);
  device_.counters().iso_pdus.fetch_add(count);
  split(buffer.wire.bytes(), stream, most, submode, (flags & cpl::kIsoLast) != 0);
  return true;
}

void Conn::split(MutableBytes out, MutableBytes stream, uint32_t most, uint32_t submode,
                 bool has_last) {
  const auto shape = bhs_at(stream.data()).as<iscsi::DataIn>();
  const Bytes payload = stream.skip(iscsi::kBhsSize);
  uint32_t number = 0;
  for (uint32_t at = 0; at < payload.size(); at += most, ++number) {
    const Bytes data = payload.slice(at, most);
    const bool is_last = at + data.size() == payload.size();
    iscsi::DataIn pdu = shape;
    pdu.data_segment_length = static_cast<uint32_t>(data.size());
    pdu.data_sn = shape.data_sn.get() + number;
    pdu.buffer_offset = shape.buffer_offset.get() + at;
    pdu.flags = static_cast<uint8_t>(pdu.flags & ~iscsi::kFinalBit);
    if (is_last) pdu.flags |= iscsi::kFinalBit;
    if (!is_last || !has_last) {
      pdu.flags = static_cast<uint8_t>(pdu.flags & ~(kDataInStatus | kDataInResiduals));
      pdu.status = 0;
      pdu.stat_sn = 0;
      pdu.residual_count = 0;
    }
    const Bytes header(reinterpret_cast<const uint8_t*>(&pdu), sizeof(pdu));
    out = out.skip(put_pdu(out, header, data, submode));
  }
}

// The peer may answer at once, so everything has to be in place by now.
void Conn::check_r2t(const iscsi::Bhs& bhs) {
  const auto& r2t = bhs.as<iscsi::R2t>();
  const PodQuery query = {tid_, r2t.target_transfer_tag.get(), r2t.buffer_offset.get(),
                          r2t.desired_data_transfer_length.get(), page_shift()};
  Pods& pods = device_.pods();
  if (!pods.is_ddp_tag(query.tag)) return;
  if (const uint32_t why = pods.check(query); why != 0) {
    return broken(Check::pods_before_r2t, uint64_t{why} << 32 | query.tag);
  }
  if (!pods.is_linked(query)) return broken(Check::pod_link, query.tag);
  bool is_mapped = true;
  pods.for_each_page(query, [&](uint64_t address, uint32_t, uint32_t length) {
    is_mapped = is_mapped && device_.bus().is_mapped(address, length);
  });
  if (!is_mapped) broken(Check::dma_unmapped, query.tag);
}

}  // namespace chiscsi::sim
