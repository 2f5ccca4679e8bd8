// SPDX-License-Identifier: GPL-2.0-only
//
// See address.hh. IPv6 text is at most eight groups of 16 bits, of which the last two may be
// written as an IPv4 address, with one "::" for a run of zero groups.
#include "target/config/address.hh"

#include "base/span.hh"
#include "target/config/number.hh"

namespace chiscsi {

namespace address_detail {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool parse_ipv4_bytes(Text text, uint8_t* bytes) {
  for (int part = 0; part < 4; ++part) {
    const bool last = part == 3;
    if (!last && text.find('.') == Text::kNotFound) return false;
    const Text digits = last ? text : text.take_until('.');
    uint32_t value = 0;
    if (!parse_number_in_range(digits, NumberSyntax::kDecimal, 0, 255, &value)) return false;
    bytes[part] = static_cast<uint8_t>(value);
  }
  return true;
}

bool parse_group(Text text, uint16_t* group) {
  if (text.empty() || text.size() > 4) return false;
  unsigned value = 0;
  for (const char digit : text) {
    const int digit_value = hex_digit_value(digit);
    if (digit_value < 0) return false;
    value = value * 16 + static_cast<unsigned>(digit_value);
  }
  *group = static_cast<uint16_t>(value);
  return true;
}

struct Groups {
  uint16_t value[8] = {};
  size_t count = 0;

  bool add(uint16_t group) {
    if (count == 8) return false;
    value[count++] = group;
    return true;
  }
};

bool add_embedded_ipv4(Text text, Groups* groups) {
  uint8_t bytes[4];
  return parse_ipv4_bytes(text, bytes) &&
         groups->add(static_cast<uint16_t>(bytes[0] << 8 | bytes[1])) &&
         groups->add(static_cast<uint16_t>(bytes[2] << 8 | bytes[3]));
}

// Parses "a:b:c" with an IPv4 address allowed as its end; an empty text is no groups.
bool parse_groups(Text text, bool may_end_in_ipv4, Groups* groups) {
  if (text.empty()) return true;
  for (;;) {
    const bool last = text.find(':') == Text::kNotFound;
    const Text part = last ? text : text.take_until(':');
    if (last && may_end_in_ipv4 && part.find('.') != Text::kNotFound) {
      return add_embedded_ipv4(part, groups);
    }
    uint16_t group = 0;
    if (!parse_group(part, &group) || !groups->add(group)) return false;
    if (last) return true;
  }
}

size_t find_double_colon(Text text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == ':' && text[i + 1] == ':') return i;
  }
  return Text::kNotFound;
}

bool parse_ipv6_bytes(Text text, uint8_t* bytes) {
  Groups head, tail;
  const size_t gap = find_double_colon(text);
  if (gap == Text::kNotFound) {
    if (!parse_groups(text, true, &head) || head.count != 8) return false;
  } else {
    // The gap stands for at least one group.
    if (!parse_groups(text.first(gap), false, &head)) return false;
    if (!parse_groups(text.skip(gap + 2), true, &tail)) return false;
    if (head.count + tail.count > 7) return false;
  }
  uint16_t all[8] = {};
  for (size_t i = 0; i < head.count; ++i)
    all[i] = head.value[i];
  for (size_t i = 0; i < tail.count; ++i)
    all[8 - tail.count + i] = tail.value[i];
  for (size_t i = 0; i < 8; ++i) {
    bytes[2 * i] = static_cast<uint8_t>(all[i] >> 8);
    bytes[2 * i + 1] = static_cast<uint8_t>(all[i]);
  }
  return true;
}

void set_ipv4(const uint8_t* bytes, os_address* address) {
  __builtin_memcpy(address->ip, kMappedPrefix, sizeof(kMappedPrefix));
  __builtin_memcpy(address->ip + 12, bytes, 4);
  address->is_ipv6 = 0;
}

bool parse_port(Text text, uint16_t* port) {
  uint32_t value = 0;
  if (!parse_number_in_range(text, NumberSyntax::kDecimal, 1, 65535, &value)) return false;
  *port = static_cast<uint16_t>(value);
  return true;
}

// Splits "host:port", "[host]:port" or a host alone.
bool split_port(Text text, Text* host, Text* port) {
  if (text.starts_with("[")) {
    const size_t close = text.find(']');
    if (close == Text::kNotFound) return false;
    *host = text.skip(1).first(close - 1);
    *port = text.skip(close + 1);
    if (port->empty()) return true;
    if ((*port)[0] != ':' || port->size() == 1) return false;
    *port = port->skip(1);
    return true;
  }
  const bool has_port = text.find(':') != Text::kNotFound;
  *host = text.take_until(':');
  *port = text;
  return !has_port || !port->empty();
}

// Text under construction in an AddressText.
struct Line {
  char data[AddressText::capacity()] = {};
  size_t size = 0;

  void add(char c) {
    if (size < sizeof(data)) data[size++] = c;
  }
  void add(Text text) {
    for (const char c : text)
      add(c);
  }
  void add_number(uint32_t number) { add(DecimalText(number).text()); }
  void add_hex(uint16_t group) {
    constexpr char kDigits[] = "0123456789abcdef";
    bool started = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
      const unsigned digit = (group >> shift) & 15;
      started = started || digit != 0 || shift == 0;
      if (started) add(kDigits[digit]);
    }
  }
  AddressText text() const {
    AddressText result;
    result.assign({data, size});
    return result;
  }
};

void add_ipv4(const uint8_t* bytes, Line* line) {
  for (int i = 0; i < 4; ++i) {
    if (i != 0) line->add('.');
    line->add_number(bytes[i]);
  }
}

uint16_t group_at(const uint8_t* ip, size_t index) {
  return static_cast<uint16_t>(ip[2 * index] << 8 | ip[2 * index + 1]);
}

struct ZeroRun {
  size_t start = 8;
  size_t length = 0;
};

// The longest run of two or more zero groups, the first of equals (RFC 5952 section 4.2).
ZeroRun longest_zero_run(const uint8_t* ip) {
  ZeroRun best, run;
  for (size_t i = 0; i < 8; ++i) {
    if (group_at(ip, i) != 0) {
      run = ZeroRun();
      continue;
    }
    if (run.length++ == 0) run.start = i;
    if (run.length > best.length) best = run;
  }
  return best.length >= 2 ? best : ZeroRun();
}

void add_ipv6(const uint8_t* ip, Line* line) {
  const ZeroRun zeros = longest_zero_run(ip);
  for (size_t i = 0; i < 8; ++i) {
    if (i == zeros.start) {
      line->add("::");
      i += zeros.length - 1;
      continue;
    }
    if (i != 0 && i != zeros.start + zeros.length) line->add(':');
    line->add_hex(group_at(ip, i));
  }
}

void add_ip(const os_address& address, Line* line) {
  if (address.is_ipv6 != 0) {
    add_ipv6(address.ip, line);
  } else {
    add_ipv4(address.ip + 12, line);
  }
}

}  // namespace address_detail

bool parse_ip(Text text, os_address* address) {
  uint8_t bytes[16] = {};
  os_address result = {};
  if (address_detail::parse_ipv4_bytes(text, bytes)) {
    address_detail::set_ipv4(bytes, &result);
  } else if (address_detail::parse_ipv6_bytes(text, bytes)) {
    __builtin_memcpy(result.ip, bytes, sizeof(bytes));
    result.is_ipv6 = 1;
  } else {
    return false;
  }
  *address = result;
  return true;
}

bool parse_ip_and_port(Text text, os_address* address) {
  Text host, port;
  os_address result = {};
  if (!address_detail::split_port(text, &host, &port) || !parse_ip(host, &result)) return false;
  // Brackets belong to IPv6 and only to it.
  if ((result.is_ipv6 != 0) != text.starts_with("[")) return false;
  result.port = kIscsiPort;
  if (!port.empty() && !address_detail::parse_port(port, &result.port)) return false;
  *address = result;
  return true;
}

os_address address_from_bytes(const uint8_t* ip, uint16_t port) {
  os_address address = {};
  __builtin_memcpy(address.ip, ip, sizeof(address.ip));
  const bool mapped = __builtin_memcmp(ip, address_detail::kMappedPrefix,
                                       sizeof(address_detail::kMappedPrefix)) == 0;
  address.is_ipv6 = mapped ? 0 : 1;
  address.port = port;
  return address;
}

os_address ipv4_address_from_bytes(const uint8_t* ip, uint16_t port) {
  os_address address = {};
  address_detail::set_ipv4(ip, &address);
  address.port = port;
  return address;
}

AddressText format_ip(const os_address& address) {
  address_detail::Line line;
  address_detail::add_ip(address, &line);
  return line.text();
}

AddressText format_ip_and_port(const os_address& address) {
  address_detail::Line line;
  if (address.is_ipv6 != 0) line.add('[');
  address_detail::add_ip(address, &line);
  if (address.is_ipv6 != 0) line.add(']');
  line.add(':');
  line.add_number(address.port);
  return line.text();
}

bool is_wildcard(const os_address& address) {
  for (size_t i = address.is_ipv6 != 0 ? 0 : 12; i < sizeof(address.ip); ++i) {
    if (address.ip[i] != 0) return false;
  }
  return true;
}

bool same_ip(const os_address& a, const os_address& b) {
  return a.is_ipv6 == b.is_ipv6 && __builtin_memcmp(a.ip, b.ip, sizeof(a.ip)) == 0;
}

bool same_endpoint(const os_address& a, const os_address& b) {
  return same_ip(a, b) && a.scope == b.scope && a.port == b.port;
}

}  // namespace chiscsi
