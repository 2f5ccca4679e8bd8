// SPDX-License-Identifier: GPL-2.0-only
//
// IP addresses as text, strictly: what a portal, an ACL and a TargetAddress consist of.
//
// IPv4 is dotted decimal with four parts and no leading zeros; IPv6 is RFC 4291 text without a
// zone. The result is a struct os_address, where IPv4 sits in its IPv4-mapped form. Formatting
// follows RFC 5952. Nothing here resolves names or touches the network.
#pragma once

#include <cstdint>

#include "base/text.hh"
#include "os/socket.h"

namespace chiscsi {

inline constexpr uint16_t kIscsiPort = 3260;

// The longest text of an address: "[" IPv6 "]:65535".
using AddressText = FixedText<56>;

// Parses a bare IPv4 or IPv6 address; the port becomes 0. False when malformed. Context: any.
bool parse_ip(Text text, os_address* address);

// Parses "a.b.c.d[:port]" or "[v6][:port]"; without a port it is 3260. Port 0 is malformed.
// Context: any.
bool parse_ip_and_port(Text text, os_address* address);

// The address whose 16 bytes are given in network order: IPv4 if they are the IPv4-mapped form (RFC
// 4291 section 2.5.5.2), else IPv6. Context: any.
os_address address_from_bytes(const uint8_t* ip, uint16_t port);

// The same for the four bytes of an IPv4 address. Context: any.
os_address ipv4_address_from_bytes(const uint8_t* ip, uint16_t port);

// The address alone, IPv6 without brackets. Context: any.
AddressText format_ip(const os_address& address);

// "a.b.c.d:port" or "[v6]:port", the form of TargetAddress (RFC 7143 section 13.8). Context: any.
AddressText format_ip_and_port(const os_address& address);

// True for 0.0.0.0 and ::.
bool is_wildcard(const os_address& address);

// Same family and same IP; the port does not matter.
bool same_ip(const os_address& a, const os_address& b);

// Same family, IP, scope and port.
bool same_endpoint(const os_address& a, const os_address& b);

}  // namespace chiscsi
