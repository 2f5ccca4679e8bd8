// SPDX-License-Identifier: GPL-2.0-only
//
// The assembler: the sequences of both chips, headers and payload cut anywhere, what is told of a
// PDU, whose pages are whose, and every way in which messages can be wrong.
#include "offload/rx_assembler.hh"

#include <gtest/gtest.h>

#include "rx_messages.hh"
#include "wire_bytes.hh"

namespace chiscsi::test {
namespace {

constexpr uint8_t kCommand = 0x01, kDataOut = 0x05;
constexpr uint32_t kPlaced = 1u << 16;

ByteVector padded(ByteVector data) {
  data.resize((data.size() + 3) / 4 * 4);
  return data;
}

// A PDU and its header and sizes.
struct Pdu : WirePdu {
  Pdu(uint8_t opcode, size_t ahs_size, size_t data_size, uint32_t tag = 7)
      : WirePdu{opcode, tag, pattern(ahs_size, 3), pattern(data_size, 4)} {}
  ByteVector header() const {
    ByteVector bytes = wire_header(*this);
    append(bytes, ahs);
    return bytes;
  }
  uint32_t wire_size(uint32_t digests = 0) const {
    return static_cast<uint32_t>(serialise(*this, false, false).size()) + digests;
  }
};

class RxAssemblerTest : public testing::Test {
 protected:
  ~RxAssemblerTest() override { EXPECT_EQ(Pages::count(), 0u); }

  // Every message of `wrong` but the last is taken, the last is this violation.
  void expect_violation(Feeder& feeder, RxViolation violation,
                        const std::vector<ByteVector>& messages) {
    for (size_t i = 0; i < messages.size(); ++i) {
      const RxVerdict verdict = feeder.feed(messages[i]);
      ASSERT_EQ(verdict, i + 1 < messages.size() ? RxVerdict::kMore : RxVerdict::kViolation) << i;
    }
    EXPECT_EQ(feeder.assembler.violation(), violation)
        << name_of(feeder.assembler.violation()) << " instead of " << name_of(violation);
    EXPECT_EQ(Pages::count(), 0u);
    EXPECT_FALSE(feeder.assembler.complete());
    // And it stays that way.
    EXPECT_EQ(feeder.feed(hdr_message(Pdu(kCommand, 0, 0).header(), 0, 48)), RxVerdict::kViolation);
    EXPECT_EQ(feeder.feed(data_message(pattern(8, 1))), RxVerdict::kViolation);
    EXPECT_EQ(feeder.assembler.violation(), violation);
  }
};

TEST_F(RxAssemblerTest, TakesAPduWithoutData) {
  for (const uint32_t chip : {5u, 6u}) {
    Feeder feeder(chip, 1000);
    const Pdu pdu(kCommand, 0, 0);
    EXPECT_EQ(feeder.feed(hdr_message(pdu.header(), 1000, 48)), RxVerdict::kMore);
    EXPECT_TRUE(feeder.assembler.in_pdu());
    EXPECT_EQ(Pages::count(), 0u);  // The header was copied.
    ASSERT_EQ(feeder.feed_inline(ddp_message(52, 1000, 0)), RxVerdict::kPdu);
    EXPECT_TRUE(feeder.assembler.complete());
    EXPECT_FALSE(feeder.assembler.in_pdu());
    EXPECT_EQ(feeder.header(), pdu.header());
    EXPECT_EQ(feeder.assembler.bhs().initiator_task_tag.get(), 7u);
    EXPECT_EQ(feeder.assembler.data_size(), 0u);
    EXPECT_TRUE(feeder.payload().empty());
    EXPECT_FALSE(feeder.assembler.placed());
    EXPECT_FALSE(feeder.assembler.merged());
    EXPECT_EQ(feeder.assembler.wire_bytes(), 52u);
    EXPECT_EQ(feeder.assembler.rcv_nxt(), 1052u);
    feeder.assembler.release();
    EXPECT_FALSE(feeder.assembler.complete());
    EXPECT_FALSE(feeder.assembler.in_pdu());
  }
}

TEST_F(RxAssemblerTest, TakesDataWithoutItsPadding) {
  for (size_t size = 1; size < 12; ++size) {
    Feeder feeder(5);
    const Pdu pdu(kDataOut, 0, size);
    // Delivered with the padding, or without.
    const ByteVector payload = size % 2 == 0 ? pdu.data : padded(pdu.data);
    ASSERT_EQ(feeder.feed(hdr_message(pdu.header(), 0, 48)), RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(data_message(payload)), RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(ddp_message(pdu.wire_size(8), 0, 0)), RxVerdict::kPdu);
    EXPECT_EQ(feeder.payload(), pdu.data);
    EXPECT_EQ(feeder.assembler.data_size(), size);
    EXPECT_EQ(Pages::count(), 1u);
    feeder.assembler.release();
    EXPECT_EQ(Pages::count(), 0u);
  }
}

TEST_F(RxAssemblerTest, HeadersAndDataMayBeCutAnywhere) {
  const Pdu pdu(kCommand, 20, 30);
  const ByteVector hdr = hdr_message(pdu.header(), 0, 68);
  const ByteVector data = data_message(padded(pdu.data));
  const ByteVector ddp = ddp_message(pdu.wire_size(), 0, 0);
  for (size_t cut = 0; cut <= hdr.size(); ++cut) {
    Feeder feeder(5);
    ASSERT_EQ(feeder.feed(hdr, {cut, cut + (hdr.size() - cut) / 2}), RxVerdict::kMore);
    const size_t at = std::min(cut, data.size());
    ASSERT_EQ(feeder.feed(data, {at, at}), RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(ddp, {std::min(cut, ddp.size())}), RxVerdict::kPdu);
    EXPECT_EQ(feeder.header(), pdu.header());
    EXPECT_EQ(feeder.payload(), pdu.data);
    // Nothing is kept that holds none of the payload.
    EXPECT_LE(feeder.assembler.fragments().size(), 2u);
    EXPECT_EQ(feeder.assembler.fragments().size(), Pages::count());
    for (const os_fragment& fragment : feeder.assembler.fragments())
      EXPECT_NE(fragment.length, 0u);
    feeder.assembler.release();
  }
}

TEST_F(RxAssemblerTest, AHeaderMayBeInline) {
  Feeder feeder(5);
  const Pdu pdu(kCommand, 8, 0);
  ASSERT_EQ(feeder.feed_inline(hdr_message(pdu.header(), 0, 56)), RxVerdict::kMore);
  ASSERT_EQ(feeder.feed_inline(ddp_message(56, 0, 0)), RxVerdict::kPdu);
  EXPECT_EQ(feeder.header(), pdu.header());
}

TEST_F(RxAssemblerTest, DataMayReachOverContiguousPages) {
  for (const size_t size : {size_t{3000}, size_t{5000}, size_t{3 * OS_PAGE_SIZE}}) {
    Feeder feeder(5);
    const Pdu pdu(kDataOut, 0, size);
    ASSERT_EQ(feeder.feed(hdr_message(pdu.header(), 0, 48)), RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(data_message(pdu.data)), RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(ddp_message(pdu.wire_size(), 0, 0)), RxVerdict::kPdu);
    EXPECT_EQ(feeder.assembler.fragments().size(), 1u);
    EXPECT_EQ(feeder.payload(), pdu.data);
    // One page is mapped at a time.
    feeder.assembler.for_each_piece([](const uint8_t* data, uint32_t count) {
      EXPECT_LE(reinterpret_cast<uintptr_t>(data) % OS_PAGE_SIZE + count, OS_PAGE_SIZE);
    });
  }
}

TEST_F(RxAssemblerTest, DataMayComeInSeveralMessages) {
  for (const uint32_t chip : {5u, 6u}) {
    Feeder feeder(chip);
    const Pdu pdu(kCommand, 0, 100);
    ASSERT_EQ(feeder.feed(hdr_message(pdu.header(), 0, 48)), RxVerdict::kMore);
    for (size_t i = 0; i < 100; i += 25) {
      ASSERT_EQ(feeder.feed(data_message(ByteVector(pdu.data.begin() + static_cast<long>(i),
                                                    pdu.data.begin() + static_cast<long>(i) + 25))),
                RxVerdict::kMore);
    }
    ASSERT_EQ(feeder.feed(ddp_message(pdu.wire_size(), 0, 0)), RxVerdict::kPdu);
    EXPECT_EQ(feeder.payload(), pdu.data);
  }
}

TEST_F(RxAssemblerTest, PlacedDataIsToldAndNotThere) {
  for (const uint32_t chip : {5u, 6u}) {
    Feeder feeder(chip);
    const Pdu pdu(kDataOut, 0, 8192);
    ASSERT_EQ(feeder.feed(hdr_message(pdu.header(), 0, 0x8000 | 8240)), RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(ddp_message(pdu.wire_size(8), 0, kPlaced)), RxVerdict::kPdu);
    EXPECT_TRUE(feeder.assembler.placed());
    EXPECT_FALSE(feeder.assembler.merged());
    EXPECT_EQ(feeder.assembler.data_size(), 8192u);
    EXPECT_TRUE(feeder.payload().empty());
    EXPECT_EQ(feeder.assembler.wire_bytes(), 48u + 8192 + 8);
  }
}

TEST_F(RxAssemblerTest, DeliveredDataIsNotPlacedWhateverTheBitSays) {
  Feeder feeder(5);
  const Pdu pdu(kDataOut, 0, 64);
  ASSERT_EQ(feeder.feed(hdr_message(pdu.header(), 0, 48)), RxVerdict::kMore);
  ASSERT_EQ(feeder.feed(data_message(pdu.data)), RxVerdict::kMore);
  ASSERT_EQ(feeder.feed(ddp_message(pdu.wire_size(), 0, kPlaced)), RxVerdict::kPdu);
  EXPECT_FALSE(feeder.assembler.placed());
  EXPECT_EQ(feeder.payload(), pdu.data);
}

TEST_F(RxAssemblerTest, T6TakesADataOutThatWasNotPlaced) {
  Feeder feeder(6, 1);
  const Pdu pdu(kDataOut, 8, 1001);
  EXPECT_EQ(feeder.feed(data_message(padded(pdu.data)), {5, 600}), RxVerdict::kMore);
  EXPECT_TRUE(feeder.assembler.in_pdu());
  // The sequence number jumps: what was placed before was not announced.
  ASSERT_EQ(feeder.feed(cmp_message(pdu.header(), 5000, 56 + 1004, 1u << 25), {30}),
            RxVerdict::kPdu);
  EXPECT_EQ(feeder.header(), pdu.header());
  EXPECT_EQ(feeder.payload(), pdu.data);
  EXPECT_FALSE(feeder.assembler.placed());
  EXPECT_FALSE(feeder.assembler.merged());
  EXPECT_EQ(feeder.assembler.ddpvld(), 1u << 25);
  EXPECT_EQ(feeder.assembler.wire_bytes(), 56u + 1004);
  EXPECT_EQ(feeder.assembler.rcv_nxt(), 5000u + 56 + 1004);
  feeder.assembler.release();
  // And a command in the other form behind it.
  ASSERT_EQ(feeder.feed(hdr_message(Pdu(kCommand, 0, 0).header(), 9999, 48)), RxVerdict::kMore);
  ASSERT_EQ(feeder.feed(ddp_message(48, 9999, 0)), RxVerdict::kPdu);
  EXPECT_EQ(feeder.assembler.rcv_nxt(), 9999u + 48);
}

TEST_F(RxAssemblerTest, T6TellsAPlacedBurst) {
  Feeder feeder(6);
  const Pdu pdu(kDataOut, 0, 4096);
  ASSERT_EQ(feeder.feed(cmp_message(pdu.header(), 70000, 48 + 4096 + 4, kPlaced)), RxVerdict::kPdu);
  EXPECT_TRUE(feeder.assembler.placed());
  EXPECT_TRUE(feeder.assembler.merged());
  EXPECT_EQ(feeder.assembler.data_size(), 4096u);
  EXPECT_EQ(feeder.assembler.wire_bytes(), 48u);
  EXPECT_EQ(feeder.assembler.rcv_nxt(), 70000u + 48 + 4096 + 4);
  feeder.assembler.release();
  EXPECT_FALSE(feeder.assembler.placed());
  EXPECT_FALSE(feeder.assembler.merged());
}

TEST_F(RxAssemblerTest, SequenceNumbersWrapOnT5) {
  Feeder feeder(5, 0xfffffff0);
  ASSERT_EQ(feeder.feed(hdr_message(Pdu(kCommand, 0, 0).header(), 0xfffffff0, 48)),
            RxVerdict::kMore);
  ASSERT_EQ(feeder.feed(ddp_message(48, 0, 0)), RxVerdict::kPdu);
  feeder.assembler.release();
  EXPECT_EQ(feeder.assembler.rcv_nxt(), 32u);
  ASSERT_EQ(feeder.feed(hdr_message(Pdu(kCommand, 0, 0).header(), 32, 48)), RxVerdict::kMore);
  ASSERT_EQ(feeder.feed(ddp_message(48, 0, 0)), RxVerdict::kPdu);
}

TEST_F(RxAssemblerTest, KeepsAdditionalHeadersUpToTheLimit) {
  for (const size_t size : {4u, 256u, 272u, 276u, 1020u}) {
    Feeder feeder(5);
    const Pdu pdu(kCommand, size, 0);
    ASSERT_EQ(feeder.feed(hdr_message(pdu.header(), 0, 48)), RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(ddp_message(pdu.wire_size(), 0, 0)), RxVerdict::kPdu);
    EXPECT_EQ(feeder.assembler.ahs_too_long(), size > 272);
    EXPECT_EQ(feeder.assembler.ahs().size(), size > 272 ? 0 : size);
    EXPECT_TRUE(size > 272 || feeder.header() == pdu.header());
    feeder.assembler.release();
    EXPECT_FALSE(feeder.assembler.ahs_too_long());
    EXPECT_TRUE(feeder.assembler.ahs().empty());
  }
}

TEST_F(RxAssemblerTest, TellsErrorsOfThePdu) {
  const Pdu pdu(kDataOut, 0, 9);
  for (const uint32_t bit : {19u, 20u, 21u}) {
    Feeder feeder(5);
    ASSERT_EQ(feeder.feed(hdr_message(pdu.header(), 0, 48)), RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(data_message(padded(pdu.data))), RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(ddp_message(pdu.wire_size(8), 0, 1u << bit)), RxVerdict::kPdu);
    EXPECT_EQ(feeder.assembler.pad_error(), bit == 19);
    EXPECT_EQ(feeder.assembler.header_digest_error(), bit == 20);
    EXPECT_EQ(feeder.assembler.data_digest_error(), bit == 21);
    EXPECT_EQ(feeder.payload(), bit == 20 ? ByteVector() : pdu.data);
  }
}

TEST_F(RxAssemblerTest, AHeaderDigestErrorIsToldWhateverTheHeaderSays) {
  // DataSegmentLength and TotalAHSLength are garbage then.
  ByteVector header(48, 0xff);
  Feeder feeder(5);
  ASSERT_EQ(feeder.feed(hdr_message(header, 0, 48)), RxVerdict::kMore);
  ASSERT_EQ(feeder.feed(data_message(pattern(20, 1))), RxVerdict::kMore);
  ASSERT_EQ(feeder.feed(ddp_message(80, 0, 1u << 20)), RxVerdict::kPdu);
  EXPECT_TRUE(feeder.assembler.header_digest_error());
  EXPECT_TRUE(feeder.assembler.fragments().empty());
  EXPECT_EQ(Pages::count(), 0u);
  EXPECT_EQ(feeder.assembler.wire_bytes(), 80u);
}

// It would have less on the wire than was placed of it.
TEST_F(RxAssemblerTest, T6RefusesAPlacedPduThatIsLongerThanItself) {
  const Pdu pdu(kDataOut, 0, 4096);
  Feeder feeder(6);
  expect_violation(feeder, RxViolation::kPduLength,
                   {cmp_message(pdu.header(), 0, 48 + 4095, kPlaced)});
}

TEST_F(RxAssemblerTest, RefusesMessagesInTheWrongOrder) {
  const ByteVector header = Pdu(kDataOut, 0, 8).header();
  const ByteVector hdr = hdr_message(header, 0, 56), data = data_message(pattern(8, 1));
  const ByteVector ddp = ddp_message(56, 0, 0), cmp = cmp_message(header, 0, 56, 0);
  const struct {
    uint32_t chip;
    RxViolation violation;
    std::vector<ByteVector> messages;
  } wrong[] = {
      {5, RxViolation::kOrder, {data}},
      {5, RxViolation::kOrder, {ddp}},
      {5, RxViolation::kOpcode, {cmp}},
      {5, RxViolation::kOrder, {hdr, hdr}},
      {5, RxViolation::kOrder, {hdr, data, hdr}},
      {5, RxViolation::kOpcode, {hdr, data, cmp}},
      {6, RxViolation::kOrder, {ddp}},
      {6, RxViolation::kOrder, {data, ddp}},
      {6, RxViolation::kOrder, {data, hdr}},
      {6, RxViolation::kOrder, {hdr, cmp}},
      {6, RxViolation::kOrder, {hdr, data, cmp}},
  };
  for (const auto& entry : wrong) {
    Feeder feeder(entry.chip);
    expect_violation(feeder, entry.violation, entry.messages);
  }
}

TEST_F(RxAssemblerTest, RefusesOtherMessages) {
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    if (opcode == 0x33 || opcode == 0xb2 || opcode == 0x49 || opcode == 0x45) continue;
    Feeder feeder(6);
    ByteVector bytes(64);
    bytes[0] = static_cast<uint8_t>(opcode);
    expect_violation(feeder, RxViolation::kOpcode, {bytes});
  }
}

TEST_F(RxAssemblerTest, RefusesMessagesThatAreCutShort) {
  const Pdu pdu(kDataOut, 8, 16);
  const ByteVector hdr = hdr_message(pdu.header(), 0, 56), data = data_message(pdu.data);
  const ByteVector ddp = ddp_message(pdu.wire_size(), 0, 0);
  const ByteVector cmp = cmp_message(pdu.header(), 0, 72, 0);
  const auto cut = [](const ByteVector& bytes, size_t size) {
    return ByteVector(bytes.begin(), bytes.begin() + static_cast<long>(size));
  };
  for (size_t size = 0; size < hdr.size(); ++size) {
    Feeder feeder(5);
    expect_violation(feeder, RxViolation::kShortMessage, {cut(hdr, size)});
  }
  for (size_t size = 0; size < data.size(); ++size) {
    Feeder feeder(5);
    expect_violation(feeder, RxViolation::kShortMessage, {hdr, cut(data, size)});
  }
  for (size_t size = 0; size < ddp.size(); ++size) {
    Feeder feeder(5);
    expect_violation(feeder, RxViolation::kShortMessage, {hdr, data, cut(ddp, size)});
  }
  for (size_t size = 0; size < cmp.size(); ++size) {
    Feeder feeder(6);
    expect_violation(feeder, RxViolation::kShortMessage, {data, cut(cmp, size)});
  }
  // No fragments at all, and payload where there are no pages.
  Feeder empty(5);
  EXPECT_EQ(empty.assembler.feed(lld_ingress{}), RxVerdict::kViolation);
  EXPECT_EQ(empty.assembler.violation(), RxViolation::kShortMessage);
  Feeder inline_data(6);
  EXPECT_EQ(inline_data.feed_inline(data), RxVerdict::kViolation);
  EXPECT_EQ(inline_data.assembler.violation(), RxViolation::kShortMessage);
}

TEST_F(RxAssemblerTest, RefusesLengthsThatDoNotAddUp) {
  const Pdu pdu(kDataOut, 4, 10);
  const ByteVector header = pdu.header();
  const ByteVector hdr = hdr_message(header, 0, 52), data = data_message(padded(pdu.data));
  const ByteVector ddp = ddp_message(pdu.wire_size(), 0, 0);
  const auto refuse = [this](RxViolation violation, const std::vector<ByteVector>& messages,
                             uint32_t chip = 5) {
    Feeder feeder(chip);
    expect_violation(feeder, violation, messages);
  };
  // A header that is shorter than a BHS, or not what TotalAHSLength says.
  refuse(RxViolation::kHeaderLength, {hdr_message(ByteVector(47), 0, 48)});
  refuse(RxViolation::kHeaderLength, {hdr_message({}, 0, 48)});
  refuse(RxViolation::kHeaderLength, {cmp_message({}, 0, 48, 0)}, 6);
  ByteVector shorter = header;
  shorter.resize(48);
  refuse(RxViolation::kHeaderLength,
         {hdr_message(shorter, 0, 48), data, ddp_message(pdu.wire_size(), 0, 0)});
  ByteVector longer = header;
  longer.resize(56);
  refuse(RxViolation::kHeaderLength,
         {hdr_message(longer, 0, 48), data, ddp_message(pdu.wire_size(8), 0, 0)});
  // Payload: none, too little, too much.
  refuse(RxViolation::kDataLength, {hdr, ddp});
  refuse(RxViolation::kDataLength, {hdr, data_message(pattern(9, 1)), ddp});
  refuse(RxViolation::kDataLength, {hdr, data_message(pattern(17, 1)), ddp});
  refuse(RxViolation::kDataLength, {hdr, data, data, ddp});
  refuse(RxViolation::kDataLength,
         {hdr_message(Pdu(kCommand, 0, 0).header(), 0, 48), data, ddp_message(48, 0, 0)});
  refuse(RxViolation::kDataLength, {data_message(pattern(8, 1)), cmp_message(header, 0, 60, 0)}, 6);
  refuse(RxViolation::kDataLength, {cmp_message(header, 0, 60, 0)}, 6);
  // The whole PDU: it does not hold its data, or far more.
  refuse(RxViolation::kPduLength, {hdr, data, ddp_message(61, 0, 0)});
  refuse(RxViolation::kPduLength, {hdr, data, ddp_message(52 + 12 + 9, 0, 0)});
  refuse(RxViolation::kPduLength, {hdr, data, ddp_message(0, 0, 0)});
  refuse(RxViolation::kPduLength, {data, cmp_message(header, 0, 51, 0)}, 6);
  // 2^24 - 1 bytes of data were placed, in a PDU of 16 bits of length.
  ByteVector huge = Pdu(kDataOut, 0, 0).header();
  huge[5] = huge[6] = huge[7] = 0xff;
  refuse(RxViolation::kPduLength, {hdr_message(huge, 0, 48), ddp_message(0xffff, 0, kPlaced)});
}

TEST_F(RxAssemblerTest, OnlyDataOutsArePlaced) {
  Feeder feeder(5);
  const Pdu pdu(kCommand, 0, 16);
  expect_violation(feeder, RxViolation::kDataLength,
                   {hdr_message(pdu.header(), 0, 48), ddp_message(pdu.wire_size(), 0, kPlaced)});
}

TEST_F(RxAssemblerTest, RefusesAGapInTheStreamOfAT5) {
  Feeder feeder(5, 100);
  expect_violation(feeder, RxViolation::kSequence,
                   {hdr_message(Pdu(kCommand, 0, 0).header(), 101, 48)});
}

TEST_F(RxAssemblerTest, BoundsTheFragmentsOfAPdu) {
  constexpr uint32_t kMost = RxAssembler::kMaxFragments;
  for (const uint32_t count : {kMost, kMost + 1, 3 * kMost}) {
    Feeder feeder(6);
    const Pdu pdu(kDataOut, 0, count);
    // One byte of payload in each fragment, the header in the first.
    const ByteVector message = data_message(pdu.data);
    std::vector<size_t> cuts;
    for (size_t cut = 17; cut < message.size(); ++cut)
      cuts.push_back(cut);
    const RxVerdict verdict = feeder.feed(message, cuts);
    if (count > kMost) {
      EXPECT_EQ(verdict, RxVerdict::kViolation);
      EXPECT_EQ(feeder.assembler.violation(), RxViolation::kFragments);
      EXPECT_EQ(Pages::count(), 0u);
      continue;
    }
    ASSERT_EQ(verdict, RxVerdict::kMore);
    ASSERT_EQ(feeder.feed(cmp_message(pdu.header(), 0, 48 + count, 0)), RxVerdict::kPdu);
    EXPECT_EQ(feeder.payload(), pdu.data);
    EXPECT_EQ(Pages::count(), kMost);
  }
}

TEST_F(RxAssemblerTest, BytesBehindTheMessageAreNoPayload) {
  Feeder feeder(5);
  const Pdu pdu(kDataOut, 0, 6);
  ByteVector hdr = hdr_message(pdu.header(), 0, 48), data = data_message(padded(pdu.data));
  append(hdr, pattern(30, 9));
  append(data, pattern(30, 9));
  ASSERT_EQ(feeder.feed(hdr), RxVerdict::kMore);
  ASSERT_EQ(feeder.feed(data, {22, 30, 40}), RxVerdict::kMore);
  EXPECT_EQ(Pages::count(), 2u);
  ASSERT_EQ(feeder.feed(ddp_message(56, 0, 0)), RxVerdict::kPdu);
  EXPECT_EQ(feeder.payload(), pdu.data);
  // The second fragment held padding alone.
  EXPECT_EQ(Pages::count(), 1u);
}

TEST_F(RxAssemblerTest, ACompletePduIsNotOverwritten) {
  Feeder feeder(6);
  const Pdu pdu(kDataOut, 0, 8);
  ASSERT_EQ(feeder.feed(data_message(pdu.data)), RxVerdict::kMore);
  ASSERT_EQ(feeder.feed(cmp_message(pdu.header(), 0, 56, 0)), RxVerdict::kPdu);
  EXPECT_EQ(feeder.feed(data_message(pdu.data)), RxVerdict::kViolation);
  EXPECT_EQ(feeder.assembler.violation(), RxViolation::kOrder);
}

TEST_F(RxAssemblerTest, GivesPagesBackAtItsEnd) {
  {
    Feeder feeder(6);
    ASSERT_EQ(feeder.feed(data_message(pattern(80, 1)), {30, 60}), RxVerdict::kMore);
    EXPECT_EQ(Pages::count(), 3u);
  }
  EXPECT_EQ(Pages::count(), 0u);
}

TEST_F(RxAssemblerTest, EveryViolationHasAName) {
  std::map<std::string, int> names;
  for (int i = 0; i <= static_cast<int>(RxViolation::kFragments); ++i)
    ++names[name_of(static_cast<RxViolation>(i))];
  EXPECT_EQ(names.size(), static_cast<size_t>(RxViolation::kFragments) + 1);
  EXPECT_EQ(names.count("unknown"), 0u);
}

// Streams of PDUs in all forms, cut at random.
class RandomStream {
 public:
  RandomStream(uint32_t seed, uint32_t chip)
      : random_(seed), feeder_(chip, seed * 77777), seq_(seed * 77777) {}

  void run(int pdus) {
    for (int i = 0; i < pdus; ++i) {
      const Pdu pdu(random_.chance(2) ? kCommand : kDataOut, 4 * random_.below(8),
                    random_.chance(3) ? 0 : random_.below(5000), static_cast<uint32_t>(i));
      const uint32_t digests = 4 * random_.below(3);
      const bool placed = pdu.opcode == kDataOut && !pdu.data.empty() && random_.chance(2);
      const bool completion = feeder_.chip == 6 && pdu.opcode == kDataOut && random_.chance(2);
      if (feeder_.chip == 6 && placed) seq_ += random_.below(100000);
      const uint32_t before = seq_;
      const uint32_t size = pdu.wire_size(digests);
      if (!completion) more(hdr_message(pdu.header(), seq_, size & 0x7fff));
      if (!pdu.data.empty() && !placed) more(data_message(padded(pdu.data)));
      const uint32_t bits = (placed ? kPlaced : 0) | (random_.chance(4) ? 1u << 21 : 0);
      const ByteVector last =
          completion ? cmp_message(pdu.header(), seq_, size, bits) : ddp_message(size, seq_, bits);
      ASSERT_EQ(feeder_.feed(last, cuts(last)), RxVerdict::kPdu)
          << name_of(feeder_.assembler.violation());
      seq_ += size;
      ASSERT_EQ(feeder_.assembler.rcv_nxt(), seq_) << before;
      ASSERT_EQ(feeder_.header(), pdu.header());
      ASSERT_EQ(feeder_.assembler.placed(), placed);
      ASSERT_EQ(feeder_.assembler.merged(), placed && completion);
      ASSERT_EQ(feeder_.assembler.data_digest_error(), (bits & 1u << 21) != 0);
      ASSERT_EQ(feeder_.payload(), placed ? ByteVector() : pdu.data);
      feeder_.assembler.release();
      ASSERT_EQ(Pages::count(), 0u);
    }
  }

 private:
  std::vector<size_t> cuts(const ByteVector& message) {
    std::vector<size_t> places(random_.below(5));
    for (size_t& place : places)
      place = random_.below(static_cast<uint32_t>(message.size() + 1));
    std::sort(places.begin(), places.end());
    return places;
  }
  void more(const ByteVector& message) {
    ASSERT_EQ(feeder_.feed(message, cuts(message)), RxVerdict::kMore)
        << name_of(feeder_.assembler.violation());
  }

  Random random_;
  Feeder feeder_;
  uint32_t seq_;
};

TEST_F(RxAssemblerTest, TakesRandomStreams) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    RandomStream(seed, 5).run(40);
    RandomStream(seed, 6).run(40);
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace chiscsi::test
