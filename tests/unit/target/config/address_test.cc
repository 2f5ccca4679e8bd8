// SPDX-License-Identifier: GPL-2.0-only
//
// Address text: compared with inet_pton() and inet_ntop() over good, bad and random input.
#include "target/config/address.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

namespace chiscsi {
namespace {

std::string string_of(const AddressText& text) { return {text.c_str(), text.size()}; }

// What the system's parser says, in the form of ours.
bool reference_parse(const std::string& text, os_address* address) {
  *address = {};
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    address->ip[10] = address->ip[11] = 0xff;
    memcpy(address->ip + 12, &v4, 4);
    return true;
  }
  address->is_ipv6 = 1;
  return inet_pton(AF_INET6, text.c_str(), address->ip) == 1;
}

void expect_same_as_reference(const std::string& text) {
  os_address mine = {}, reference = {};
  const bool good = parse_ip({text.data(), text.size()}, &mine);
  ASSERT_EQ(good, reference_parse(text, &reference)) << text;
  if (!good) return;
  EXPECT_TRUE(same_ip(mine, reference)) << text;
  EXPECT_EQ(mine.port, 0);
}

TEST(Address, AgreesWithTheSystemOnKnownTexts) {
  for (const char* text : {"0.0.0.0",
                           "192.0.2.1",
                           "255.255.255.255",
                           "256.0.0.1",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.",
                           ".1.2.3",
                           "1..2.3",
                           "01.2.3.4",
                           "1.2.3.04",
                           "0x1.2.3.4",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "1,2,3,4",
                           "",
                           "a.b.c.d",
                           "1.2.3.-4",
                           "1.2.3.+4",
                           "::",
                           "::1",
                           "1::",
                           "2001:db8::10",
                           "fe80::1",
                           "1:2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1::2::3",
                           ":::",
                           ":",
                           "1:",
                           ":1",
                           "::1:",
                           "12345::",
                           "g::",
                           "::ffff:192.0.2.1",
                           "::192.0.2.1",
                           "1:2:3:4:5:6:1.2.3.4",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::1.2.3",
                           "::1.2.3.256",
                           "1.2.3.4::",
                           "::1.2.3.4:5",
                           "1:2:3:4:5:6:7::",
                           "::2:3:4:5:6:7:8",
                           "1:2:3:4::5:6:7:8",
                           "0:0:0:0:0:0:0:0",
                           "FE80::A",
                           "fe80::1%eth0",
                           "[::1]",
                           "::1/64",
                           "1:2:3:4:5:6:7:8::",
                           "::1:2:3:4:5:6:7:8"}) {
    expect_same_as_reference(text);
  }
}

TEST(Address, AgreesWithTheSystemOnRandomTexts) {
  std::mt19937 random(7);
  const std::string alphabet = "0123456789abf:::...";
  for (int i = 0; i < 200000; ++i) {
    std::string text(random() % 24, ' ');
    for (char& c : text)
      c = alphabet[random() % alphabet.size()];
    expect_same_as_reference(text);
  }
}

TEST(Address, FormatsIpv6LikeRfc5952) {
  std::mt19937 random(8);
  for (int i = 0; i < 20000; ++i) {
    os_address address = {};
    address.is_ipv6 = 1;
    // Zero groups often, so that there are runs of them. Not a form that embeds IPv4.
    for (int group = 0; group < 8; ++group) {
      const bool zero = group != 0 && random() % 2 == 0;
      address.ip[2 * group] = zero ? 0 : static_cast<uint8_t>(random());
      address.ip[2 * group + 1] = zero ? 0 : static_cast<uint8_t>(random());
    }
    address.ip[0] = 0x20;
    char expected[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, address.ip, expected, sizeof(expected));
    EXPECT_EQ(string_of(format_ip(address)), expected);
    os_address back = {};
    EXPECT_TRUE(parse_ip(format_ip(address).text(), &back));
    EXPECT_TRUE(same_ip(back, address));
  }
}

TEST(Address, ReadsAndWritesPorts) {
  const struct {
    const char *text, *written;
  } kRows[] = {{"192.0.2.10:3261", "192.0.2.10:3261"},
               {"192.0.2.10", "192.0.2.10:3260"},
               {"[2001:db8::10]:65535", "[2001:db8::10]:65535"},
               {"[2001:db8::10]", "[2001:db8::10]:3260"},
               {"[::]:1", "[::]:1"},
               {"0.0.0.0:3260", "0.0.0.0:3260"},
               {"[::ffff:1.2.3.4]:5", "[::ffff:102:304]:5"}};
  for (const auto& row : kRows) {
    os_address address = {};
    EXPECT_TRUE(parse_ip_and_port(row.text, &address)) << row.text;
    EXPECT_EQ(string_of(format_ip_and_port(address)), row.written);
  }
}

TEST(Address, RefusesBadPorts) {
  for (const char* text : {"192.0.2.10:",  "192.0.2.10:0",   "192.0.2.10:65536",
                           "192.0.2.10:x", "192.0.2.10:032", "192.0.2.10:1:2",
                           ":3260",        "[::1]:",         "[::1]:0",
                           "[::1]3260",    "[::1",           "::1]:3260",
                           "::1",          "2001:db8::10",   "[192.0.2.1]:3260",
                           "[]",           "[]:1",           "",
                           "host:3260",    "192.0.2.10:-1"}) {
    os_address address = {};
    EXPECT_FALSE(parse_ip_and_port(text, &address)) << text;
  }
}

TEST(Address, KnowsWildcards) {
  for (const char* text : {"0.0.0.0", "::", "0:0::0"}) {
    os_address address = {};
    ASSERT_TRUE(parse_ip(text, &address));
    EXPECT_TRUE(is_wildcard(address)) << text;
  }
  for (const char* text : {"0.0.0.1", "::1", "::ffff:0.0.0.0"}) {
    os_address address = {};
    ASSERT_TRUE(parse_ip(text, &address));
    EXPECT_FALSE(is_wildcard(address)) << text;
  }
}

TEST(Address, TakesBytes) {
  const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 85};
  const uint8_t compatible[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 85};
  const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_EQ(string_of(format_ip_and_port(address_from_bytes(mapped, 3261))), "192.0.2.85:3261");
  EXPECT_EQ(string_of(format_ip_and_port(address_from_bytes(compatible, 1))), "[::c000:255]:1");
  EXPECT_EQ(string_of(format_ip_and_port(address_from_bytes(v6, 65535))), "[2001:db8::1]:65535");
  os_address written = {};
  ASSERT_TRUE(parse_ip_and_port("192.0.2.85:3261", &written));
  EXPECT_TRUE(same_endpoint(ipv4_address_from_bytes(mapped + 12, 3261), written));
  EXPECT_TRUE(same_endpoint(address_from_bytes(mapped, 3261), written));
}

TEST(Address, ComparesFamilyAddressAndPort) {
  os_address a = {}, b = {}, mapped = {};
  ASSERT_TRUE(parse_ip_and_port("1.2.3.4:5", &a));
  ASSERT_TRUE(parse_ip_and_port("1.2.3.4:6", &b));
  ASSERT_TRUE(parse_ip("::ffff:1.2.3.4", &mapped));
  EXPECT_TRUE(same_ip(a, b));
  EXPECT_FALSE(same_endpoint(a, b));
  EXPECT_TRUE(same_endpoint(a, a));
  EXPECT_FALSE(same_ip(a, mapped));
  EXPECT_EQ(string_of(format_ip(a)), "1.2.3.4");
}

}  // namespace
}  // namespace chiscsi
