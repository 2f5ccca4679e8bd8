// SPDX-License-Identifier: GPL-2.0-only
//
// Segmentation of Data-In sequences by the adapter: see the header.
#include "offload/iso.hh"

#include "iscsi/bhs.hh"
#include "os/memory.h"

namespace chiscsi {

namespace {

constexpr uint32_t kIsoMaxPayload = 65535;

uint32_t iso_digests(bool header, bool data) {
  return (header ? iscsi::kDigestSize : 0) + (data ? iscsi::kDigestSize : 0);
}

}  // namespace

uint32_t iso_payload_max(uint32_t max_fragments) {
  const uint64_t listed = static_cast<uint64_t>(max_fragments) * OS_PAGE_SIZE;
  return listed < kIsoMaxPayload ? static_cast<uint32_t>(listed) : kIsoMaxPayload;
}

uint32_t iso_max_pdus(const IsoSettings& settings) {
  if (settings.segment == 0 || settings.segment % 4 != 0 || settings.mss == 0) return 0;
  const uint32_t payload = iso_payload_max(settings.max_fragments);
  const uint64_t pdu = static_cast<uint64_t>(settings.segment) + iscsi::kBhsSize +
                       iso_digests(settings.header_digest, settings.data_digest);
  const auto fit = static_cast<uint32_t>((payload - payload % settings.mss) / pdu);
  const uint32_t burst = settings.max_burst / settings.segment;
  const uint32_t pdus = fit < burst ? fit : burst;
  return pdus > 1 ? pdus : 0;
}

bool iso_fits(uint32_t size, uint32_t segment, uint32_t max_pdus) {
  return size > segment && size % 4 == 0 && segment % 4 == 0 &&
         size <= static_cast<uint64_t>(segment) * max_pdus;
}

uint32_t iso_plen(const IsoSlice& slice) {
  const uint32_t per_pdu = iscsi::kBhsSize + iso_digests(slice.header_digest, slice.data_digest);
  return slice.size + iso_pdus(slice) * per_pdu;
}

void write_iso(uint8_t* out, const IsoSlice& slice) {
  // SAFETY: a layout of bytes; the caller promised so many.
  auto& iso = *reinterpret_cast<cpl::TxDataIso*>(out);
  iso.op_to_scsi =
      static_cast<uint32_t>(cpl::Opcode::kTxDataIso) << 24 | (slice.first ? cpl::kIsoFirst : 0) |
      (slice.last ? cpl::kIsoLast : 0) | (slice.header_digest ? cpl::kIsoHeaderCrc : 0) |
      (slice.data_digest ? cpl::kIsoPayloadCrc : 0) | cpl::kIsoScsiDataIn << cpl::kIsoScsiShift;
  iso.mpdu = static_cast<uint16_t>((slice.segment + 3) / 4);
  iso.burst_size = (iso_pdus(slice) * slice.segment + 3) / 4;
  iso.len = iscsi::kBhsSize + slice.size;
}

}  // namespace chiscsi
