// SPDX-License-Identifier: GPL-2.0-only
//
// Data-In sequences that the adapter cuts into PDUs (iSCSI segmentation offload, ISO).
//
// One work request carries a template header and the data of many PDUs. The adapter repeats the
// header, counts DataSN and Buffer Offset up from it, and sets F on the last PDU of a burst and S
// with status on the last of all. What is here tells how much fits and writes the instruction.
#pragma once

#include "offload/cpl.hh"

namespace chiscsi {

// Longest payload of one request, for FLOWC too. `max_fragments` is the adapter's.
uint32_t iso_payload_max(uint32_t max_fragments);

struct IsoSettings {
  uint32_t max_burst = 0;  // MaxBurstLength.
  uint32_t segment = 0;    // Data of one PDU: the peer's MaxRecvDataSegmentLength, clipped.
  uint32_t mss = 0;        // Effective.
  uint32_t max_fragments = 0;
  bool header_digest = false;
  bool data_digest = false;
};
// PDUs in one request; 0: ISO cannot be used (fewer than two fit, or `segment` is no multiple of
// 4).
uint32_t iso_max_pdus(const IsoSettings& settings);
// Whether a data segment of `size` bytes cut into `segment` may go as one request of up to
// `max_pdus` PDUs: longer than one segment, whole words.
bool iso_fits(uint32_t size, uint32_t segment, uint32_t max_pdus);

struct IsoSlice {
  uint32_t size = 0;     // Data bytes of the request, a multiple of 4.
  uint32_t segment = 0;  // Data bytes of each PDU but the last, a multiple of 4.
  bool first = false;    // The request holds the first data of the command.
  bool last = false;     // And this the last.
  bool header_digest = false;
  bool data_digest = false;
};
constexpr uint32_t iso_pdus(const IsoSlice& slice) {
  return slice.size / slice.segment + (slice.size % slice.segment != 0 ? 1 : 0);
}
// Bytes on the wire: all PDUs with headers and digests.
uint32_t iso_plen(const IsoSlice& slice);
// Fills the TxDataIso behind the WR header: wr::kIsoHeaderSize zero bytes.
void write_iso(uint8_t* out, const IsoSlice& slice);

}  // namespace chiscsi
