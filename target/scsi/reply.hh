// SPDX-License-Identifier: GPL-2.0-only
//
// Reply: the data of an answer as it is written, byte after byte.
//
// It keeps what fits into its memory and counts the rest, so an answer is written the same way
// whatever the initiator allows for it. The memory is zeroed before. Context: any.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/span.hh"
#include "base/text.hh"

namespace chiscsi::scsi {

class Reply {
 public:
  explicit Reply(MutableBytes memory) : memory_(memory) {}

  Reply& u8(uint8_t value);
  Reply& be16(uint16_t value);
  Reply& be24(uint32_t value);
  Reply& be32(uint32_t value);
  Reply& be64(uint64_t value);
  Reply& bytes(Bytes source);
  Reply& zeros(size_t count);
  // Exactly `width` characters: cut, or padded with blanks.
  Reply& text(Text text, size_t width);

  // Writes over what is there: lengths that are known at the end only.
  void patch8(size_t at, uint8_t value);
  void patch16(size_t at, uint16_t value);
  void patch32(size_t at, uint32_t value);

  // All that was written, whether it was kept or not.
  size_t size() const { return size_; }

 private:
  MutableBytes memory_;
  size_t size_ = 0;
};

}  // namespace chiscsi::scsi
