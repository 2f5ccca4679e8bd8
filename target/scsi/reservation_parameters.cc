// SPDX-License-Identifier: GPL-2.0-only
//
// PERSISTENT RESERVE OUT as it comes. See reservation_parameters.hh.
#include "target/scsi/reservation_parameters.hh"

#include "target/scsi/conclusion.hh"

namespace chiscsi::scsi {

namespace reservation_parameters_detail {

constexpr uint32_t kBasicList = 24;
constexpr uint32_t kListWithLength = 28;
constexpr uint8_t kSpecifiesPorts = 0x08, kAllTargetPorts = 0x04, kPersists = 0x01;
constexpr uint8_t kUnregisters = 0x02;

constexpr uint8_t kIscsiProtocol = 0x05, kProtocolMask = 0x0f;
constexpr uint8_t kNameAndIsid = 0x40, kFormatMask = 0xc0;
constexpr size_t kTransportIdHeader = 4, kShortestAdditional = 20;
constexpr Text kIsidMark = ",i,0x";
constexpr size_t kIsidDigits = 2 * kIsidSize;

uint64_t number_at(Bytes list, size_t at, size_t count) {
  uint64_t value = 0;
  for (const uint8_t byte : list.slice(at, count))
    value = value << 8 | byte;
  return value;
}

ReserveOutcome bad(const Sense& sense) {
  ReserveOutcome outcome;
  outcome.sense = sense;
  return outcome;
}

ReserveOutcome bad_length() { return bad(kParameterListLengthError); }

ReserveOutcome bad_list(size_t field, uint8_t bit = FieldPointer::kWholeByte) {
  return bad(wrong_parameter(static_cast<uint16_t>(field <= 0xffff ? field : 0xffff), bit));
}

int hex_digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool parse_isid(Text digits, uint8_t (&isid)[kIsidSize]) {
  if (digits.size() != kIsidDigits) return false;
  for (size_t i = 0; i < kIsidSize; ++i) {
    const int high = hex_digit(static_cast<uint8_t>(digits[2 * i]));
    const int low = hex_digit(static_cast<uint8_t>(digits[2 * i + 1]));
    if (high < 0 || low < 0) return false;
    isid[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

// Name, mark, digits.
bool parse_port_name(Text text, InitiatorPort* port) {
  const size_t tail = kIsidMark.size() + kIsidDigits;
  if (text.size() <= tail) return false;
  const size_t name_size = text.size() - tail;
  const Text rest = text.skip(name_size);
  return rest.starts_with(kIsidMark) && parse_isid(rest.skip(kIsidMark.size()), port->isid) &&
         port->name.assign(text.first(name_size));
}

ReserveOutcome parse_ports(Bytes list, size_t at, ParsedReserveOut* parsed, Status* memory) {
  while (at < list.size()) {
    InitiatorPort port;
    size_t size = 0;
    if (!parse_transport_id(list.skip(at), &port, &size)) return bad_list(at);
    *memory = parsed->ports.append(port);
    if (!memory->is_ok()) return ReserveOutcome();
    at += size;
  }
  parsed->request.ports = parsed->ports.span();
  return ReserveOutcome();
}

// SPEC_I_PT: a length, and as many TransportIDs as it says.
ReserveOutcome parse_specified(Bytes list, ParsedReserveOut* parsed, Status* memory) {
  if (list.size() < kListWithLength) return bad_length();
  const uint64_t said = number_at(list, kBasicList, 4);
  if (said != list.size() - kListWithLength) return bad_length();
  return parse_ports(list, kListWithLength, parsed, memory);
}

ReserveOutcome parse_move(Bytes list, ParsedReserveOut* parsed, Status* memory) {
  if (list.size() < kBasicList) return bad_length();
  ReserveOutRequest& request = parsed->request;
  request.unregisters = (list[17] & kUnregisters) != 0;
  request.persists = (list[17] & kPersists) != 0;
  request.moves_to_port = static_cast<uint16_t>(number_at(list, 18, 2));
  const uint64_t said = number_at(list, 20, 4);
  if (said != list.size() - kBasicList) return bad_length();
  const ReserveOutcome outcome = parse_ports(list, kBasicList, parsed, memory);
  if (outcome.is_good() && memory->is_ok() && parsed->ports.size() != 1) return bad_list(20);
  return outcome;
}

ReserveOutcome parse_basic(Bytes list, ParsedReserveOut* parsed, Status* memory) {
  ReserveOutRequest& request = parsed->request;
  if (list.size() < kBasicList) return bad_length();
  const uint8_t flags = list[20];
  const bool registers =
      request.action == ReserveOut::kRegister || request.action == ReserveOut::kRegisterAndIgnore;
  request.specifies_ports = (flags & kSpecifiesPorts) != 0;
  request.all_target_ports = registers && (flags & kAllTargetPorts) != 0;
  request.persists = registers && (flags & kPersists) != 0;
  if (request.specifies_ports) {
    if (request.action != ReserveOut::kRegister) return bad_list(20, 3);
    return parse_specified(list, parsed, memory);
  }
  return list.size() == kBasicList ? ReserveOutcome() : bad_length();
}

}  // namespace reservation_parameters_detail

Result<ReserveOutcome> parse_reserve_out(const Cdb& cdb, Bytes list, ParsedReserveOut* parsed) {
  using namespace reservation_parameters_detail;
  if (cdb.service_action() > static_cast<uint8_t>(ReserveOut::kRegisterAndMove)) {
    return bad(wrong_cdb_field(1, 4));
  }
  if (cdb.be32(5) != list.size()) return bad_length();
  ReserveOutRequest& request = parsed->request;
  request.action = static_cast<ReserveOut>(cdb.service_action());
  request.scope = cdb.u8(2) >> 4;
  request.type = cdb.u8(2) & 0xf;
  request.key = number_at(list, 0, 8);
  request.action_key = number_at(list, 8, 8);
  Status memory;
  const ReserveOutcome outcome = request.action == ReserveOut::kRegisterAndMove
                                     ? parse_move(list, parsed, &memory)
                                     : parse_basic(list, parsed, &memory);
  if (!memory.is_ok()) return memory.error();
  return outcome;
}

bool parse_transport_id(Bytes bytes, InitiatorPort* port, size_t* size) {
  using namespace reservation_parameters_detail;
  if (bytes.size() < kTransportIdHeader + kShortestAdditional) return false;
  if ((bytes[0] & kProtocolMask) != kIscsiProtocol || (bytes[0] & kFormatMask) != kNameAndIsid) {
    return false;
  }
  const size_t additional = static_cast<size_t>(number_at(bytes, 2, 2));
  if (additional < kShortestAdditional || additional % 4 != 0) return false;
  *size = kTransportIdHeader + additional;
  if (bytes.size() < *size) return false;
  const Bytes field = bytes.slice(kTransportIdHeader, additional);
  Text text(reinterpret_cast<const char*>(field.data()), field.size());
  const size_t end = text.find('\0');
  return end != Text::kNotFound && parse_port_name(text.first(end), port);
}

size_t transport_id_size(const InitiatorPort& port) {
  using namespace reservation_parameters_detail;
  const size_t text = port.name.size() + kIsidMark.size() + kIsidDigits + 1;
  const size_t padded = (text + 3) & ~size_t{3};
  return kTransportIdHeader + (padded < kShortestAdditional ? kShortestAdditional : padded);
}

void put_transport_id(Reply& reply, const InitiatorPort& port) {
  using namespace reservation_parameters_detail;
  const size_t end = reply.size() + transport_id_size(port);
  reply.u8(kNameAndIsid | kIscsiProtocol).u8(0);
  reply.be16(static_cast<uint16_t>(transport_id_size(port) - kTransportIdHeader));
  reply.bytes(port.name.text().bytes()).bytes(kIsidMark.bytes());
  for (const uint8_t byte : port.isid) {
    reply.u8(static_cast<uint8_t>("0123456789abcdef"[byte >> 4]));
    reply.u8(static_cast<uint8_t>("0123456789abcdef"[byte & 0xf]));
  }
  reply.zeros(end - reply.size());
}

}  // namespace chiscsi::scsi
