// SPDX-License-Identifier: GPL-2.0-only
//
// Reply: bounded writing. See reply.hh.
#include "target/scsi/reply.hh"

#include "base/endian.hh"

namespace chiscsi::scsi {

Reply& Reply::bytes(Bytes source) {
  copy_bytes(memory_.skip(size_), source);
  size_ += source.size();
  return *this;
}

Reply& Reply::u8(uint8_t value) { return bytes({&value, 1}); }

namespace {

template <typename Field>
Bytes bytes_of(const Field& field) {
  return {reinterpret_cast<const uint8_t*>(&field), sizeof(field)};
}

}  // namespace

Reply& Reply::be16(uint16_t value) {
  const Be16 field(value);
  return bytes(bytes_of(field));
}

Reply& Reply::be24(uint32_t value) {
  const Be24 field(value);
  return bytes(bytes_of(field));
}

Reply& Reply::be32(uint32_t value) {
  const Be32 field(value);
  return bytes(bytes_of(field));
}

Reply& Reply::be64(uint64_t value) {
  const Be64 field(value);
  return bytes(bytes_of(field));
}

Reply& Reply::zeros(size_t count) {
  size_ += count;
  return *this;
}

Reply& Reply::text(Text text, size_t width) {
  bytes(text.first(width).bytes());
  for (size_t i = text.size(); i < width; ++i)
    u8(' ');
  return *this;
}

void Reply::patch8(size_t at, uint8_t value) { copy_bytes(memory_.skip(at), {&value, 1}); }

void Reply::patch16(size_t at, uint16_t value) {
  const Be16 field(value);
  copy_bytes(memory_.skip(at), bytes_of(field));
}

void Reply::patch32(size_t at, uint32_t value) {
  const Be32 field(value);
  copy_bytes(memory_.skip(at), bytes_of(field));
}

}  // namespace chiscsi::scsi
