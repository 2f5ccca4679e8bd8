// SPDX-License-Identifier: GPL-2.0-only
//
// Additional header segments of a SCSI Command (RFC 7143 section 11.2.2). Pure code: bytes in,
// slices of them out.
#pragma once

#include <cstdint>

#include "base/span.hh"

namespace chiscsi::rx {

struct AhsContent {
  Bytes cdb_rest;  // What of the CDB follows its first 16 bytes; empty: there is no more.
  bool has_read_length = false;
  uint32_t read_length = 0;  // Bidirectional Read Expected Data Transfer Length.
};

// Takes all segments apart. False: a length does not fit what was received, a segment comes twice,
// or its length is not one that its type can have. Segments of types that RFC 7143 does not define
// are passed over.
bool parse_ahs(Bytes ahs, AhsContent* content);

}  // namespace chiscsi::rx
