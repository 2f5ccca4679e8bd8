// SPDX-License-Identifier: GPL-2.0-only
//
// iSNS messages: byte vectors of RFC 4171, messages of several PDUs, and what no sender should
// send.
#include "isns/message.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>

#include "isns/callbacks.hh"

namespace isns {
namespace {

std::vector<uint8_t> concat(std::initializer_list<std::vector<uint8_t>> parts) {
  std::vector<uint8_t> all;
  for (const auto& part : parts)
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

Message sample() {
  Message message;
  message.function = static_cast<uint16_t>(Function::kQuery);
  message.flags = Header::kClient;
  message.transaction = 0x1234;
  message.payload =
      Writer().text(Tag::kNodeName, "iqn.a").delimiter().number(Tag::kNodeType, 2).take();
  return message;
}

TEST(IsnsMessage, HeaderAndAttributesAsTheRfcDrawsThem) {
  const std::vector<uint8_t> expected = concat({
      {0, 1, 0, 2, 0, 36, 0x8c, 0, 0x12, 0x34, 0, 0},
      {0, 0, 0, 32, 0, 0, 0, 8, 'i', 'q', 'n', '.', 'a', 0, 0, 0},
      {0, 0, 0, 0, 0, 0, 0, 0},
      {0, 0, 0, 33, 0, 0, 0, 4, 0, 0, 0, 2},
  });
  EXPECT_EQ(sample().encode(), expected);
}

TEST(IsnsMessage, TextOfAMultipleOfFourStillEndsWithNul) {
  const std::vector<uint8_t> bytes = Writer().text(Tag::kNodeName, "iqn.abcd").take();
  EXPECT_EQ(bytes.size(), 8u + 12);
  EXPECT_EQ(parse_attributes(bytes).at(0).text(), "iqn.abcd");
}

TEST(IsnsMessage, AddressKeepsItsBytes) {
  in6_addr address;
  inet_pton(AF_INET6, "::ffff:192.0.2.1", &address);
  const std::vector<uint8_t> bytes = Writer().address(Tag::kPortalAddress, address).take();
  const in6_addr read = parse_attributes(bytes).at(0).address();
  EXPECT_EQ(std::vector<uint8_t>(read.s6_addr, read.s6_addr + 16),
            std::vector<uint8_t>(address.s6_addr, address.s6_addr + 16));
}

TEST(IsnsMessage, ComesByteByByte) {
  Assembler assembler;
  const std::vector<uint8_t> bytes = sample().encode();
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    assembler.feed({&bytes[i], 1});
    ASSERT_FALSE(assembler.next()) << i;
  }
  assembler.feed({&bytes.back(), 1});
  const std::optional<Message> message = assembler.next();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payload, sample().payload);
  EXPECT_TRUE(assembler.empty());
}

TEST(IsnsMessage, LongOneTravelsInSeveralPdus) {
  Message message = sample();
  message.payload.assign(3 * kMaxPduPayload + 4, 7);
  Assembler assembler;
  assembler.feed(message.encode());
  const std::optional<Message> read = assembler.next();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->payload, message.payload);
}

TEST(IsnsMessage, EndlessMessageIsRefused) {
  Assembler assembler;
  Message message = sample();
  message.payload.assign(kMaxMessage + 4, 0);
  assembler.feed(message.encode());
  EXPECT_THROW(assembler.next(), ProtocolError);
}

std::vector<uint8_t> header(uint16_t length, uint16_t flags, uint16_t sequence = 0,
                            uint8_t version = 1) {
  return {0,
          version,
          0,
          2,
          static_cast<uint8_t>(length >> 8),
          static_cast<uint8_t>(length),
          static_cast<uint8_t>(flags >> 8),
          static_cast<uint8_t>(flags),
          0,
          1,
          static_cast<uint8_t>(sequence >> 8),
          static_cast<uint8_t>(sequence)};
}

TEST(IsnsMessage, BadHeadersAreRefused) {
  for (const auto& bytes : {header(0, 0x0c00, 0, 2), header(3, 0x0c00), header(0, 0x2c00),
                            header(0, 0x0800), header(0, 0x0c00, 1)}) {
    Assembler assembler;
    assembler.feed(bytes);
    EXPECT_THROW(assembler.next(), ProtocolError);
  }
}

TEST(IsnsMessage, PdusOfAMessageComeInOrder) {
  const std::vector<std::vector<uint8_t>> bad = {
      concat({header(0, 0x0400), header(0, 0x0400, 1)}),
      concat({header(0, 0x0400), header(0, 0x0800, 2)}),
  };
  for (const auto& bytes : bad) {
    Assembler assembler;
    assembler.feed(bytes);
    EXPECT_THROW(assembler.next(), ProtocolError);
  }
}

TEST(IsnsMessage, BadAttributesAreRefused) {
  const std::vector<std::vector<uint8_t>> bad = {
      {0, 0, 0, 32},                                      // Cut in its head.
      {0, 0, 0, 32, 0, 0, 0, 8, 1, 2, 3, 4},              // Longer than what is there.
      {0, 0, 0, 32, 0xff, 0xff, 0xff, 0xfc, 1, 2, 3, 4},  // By far.
      {0, 0, 0, 32, 0, 0, 0, 3, 1, 2, 3, 4},              // No multiple of four.
  };
  for (const auto& bytes : bad)
    EXPECT_THROW(parse_attributes(bytes), ProtocolError);
}

TEST(IsnsMessage, ValuesOfAWrongShapeAreRefused) {
  const std::vector<uint8_t> bytes = {0, 0, 0, 33, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1};
  const Attribute attribute = parse_attributes(bytes).at(0);
  EXPECT_THROW(attribute.number(), ProtocolError);
  EXPECT_THROW(attribute.address(), ProtocolError);
  const std::vector<uint8_t> controls = Writer().text(Tag::kNodeName, "iqn.a\nb").take();
  EXPECT_THROW(parse_attributes(controls).at(0).text(), ProtocolError);
  const std::vector<uint8_t> endless = Writer().text(Tag::kNodeName, std::string(300, 'a')).take();
  EXPECT_THROW(parse_attributes(endless).at(0).text(), ProtocolError);
}

// Whatever happens to the bytes, reading ends in a message, in nothing, or in a ProtocolError.
TEST(IsnsMessage, DamageIsHarmless) {
  std::mt19937 random(4171);
  const std::vector<uint8_t> good = sample().encode();
  size_t refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> bytes = good;
    for (int i = 0; i < 1 + round % 4; ++i)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    bytes.resize(random() % (bytes.size() + 1));
    Assembler assembler;
    assembler.feed(bytes);
    try {
      if (const std::optional<Message> message = assembler.next()) {
        for (const Attribute& attribute : parse_attributes(message->payload))
          attribute.text();
        answer_callback(*message);
      }
    } catch (const ProtocolError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000u);
}

TEST(IsnsCallback, InquiryIsAnsweredWithItsOwnAttributes) {
  Message inquiry = sample();
  inquiry.function = static_cast<uint16_t>(Function::kStatusInquiry);
  const std::optional<Message> answer = answer_callback(inquiry);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->function, 0x800d);
  EXPECT_EQ(answer->transaction, inquiry.transaction);
  EXPECT_EQ(answer->payload, concat({{0, 0, 0, 0}, inquiry.payload}));
}

TEST(IsnsCallback, NotificationIsAnsweredWithItsDestination) {
  Message change = sample();
  change.function = static_cast<uint16_t>(Function::kStateChange);
  const std::optional<Message> answer = answer_callback(change);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->payload, concat({{0, 0, 0, 0}, Writer().text(Tag::kNodeName, "iqn.a").take()}));
}

TEST(IsnsCallback, NothingElseIsAnswered) {
  EXPECT_FALSE(answer_callback(sample()));
  Message change;
  change.function = static_cast<uint16_t>(Function::kStateChange);
  EXPECT_FALSE(answer_callback(change));
}

}  // namespace
}  // namespace isns
