// SPDX-License-Identifier: GPL-2.0-only
//
// PduReader: the same events and data for every split of the stream, digests, pauses, additional
// header segments of every length, and where data is put. Each piece lies in memory of exactly its
// size, so that the sanitizer sees a look beyond it.
#include "transport/pdu_reader.hh"

#include <gtest/gtest.h>

#include "wire.hh"

namespace chiscsi::test {
namespace {

struct Digests {
  bool header;
  bool data;
};
constexpr Digests kAllDigests[] = {{false, false}, {true, false}, {false, true}, {true, true}};

std::vector<WirePdu> mixed_pdus() {
  return {
      {0x01, 1, {}, {}},
      {0x05, 2, {}, pattern(1, 1)},
      {0x05, 3, {}, pattern(6, 2)},
      {0x01, 4, pattern(8, 3), pattern(7, 4)},
      {0x01, 5, pattern(20, 5), {}},
      {0x04, 6, {}, pattern(64, 6)},
  };
}

ByteVector stream_of(const std::vector<WirePdu>& pdus, Digests digests) {
  ByteVector stream;
  for (const WirePdu& pdu : pdus)
    append(stream, serialise(pdu, digests.header, digests.data));
  return stream;
}

std::vector<std::string> expected_events(const std::vector<WirePdu>& pdus) {
  std::vector<std::string> events;
  for (const WirePdu& pdu : pdus) {
    events.push_back("header " + hex(wire_header(pdu)) + " ahs " + hex(pdu.ahs));
    events.push_back("pdu " + hex(pdu.data));
  }
  return events;
}

// A reader with its user.
struct Reading {
  explicit Reading(Digests digests = {false, false}) {
    reader.set_user(&user);
    reader.set_digests(digests.header, digests.data);
  }
  size_t feed(const ByteVector& bytes) {
    const auto piece = std::make_unique<uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), piece.get());
    return reader.consume(Bytes(piece.get(), bytes.size()));
  }
  size_t feed(const ByteVector& bytes, size_t from, size_t to) {
    return feed(
        ByteVector(bytes.begin() + static_cast<long>(from), bytes.begin() + static_cast<long>(to)));
  }
  // One byte at a time, and each again until it is taken.
  void trickle(const ByteVector& bytes) {
    for (const uint8_t byte : bytes) {
      int tries = 0;
      while (feed({byte}) == 0 && !reader.closed())
        ASSERT_LT(++tries, 10);
    }
  }

  RxPdu pdu;
  PduReader reader{&pdu};
  RecordingUser user;
};

// ---- Splits ----

TEST(PduReader, FindsTheSamePdusForEverySplitInTwo) {
  const std::vector<WirePdu> pdus = mixed_pdus();
  for (const Digests digests : kAllDigests) {
    const ByteVector stream = stream_of(pdus, digests);
    for (size_t split = 0; split <= stream.size(); ++split) {
      Reading reading(digests);
      ASSERT_EQ(reading.feed(stream, 0, split), split);
      ASSERT_EQ(reading.feed(stream, split, stream.size()), stream.size() - split);
      ASSERT_EQ(reading.user.events, expected_events(pdus)) << "split at " << split;
    }
  }
}

TEST(PduReader, FindsTheSamePdusForPiecesOfAnySize) {
  const std::vector<WirePdu> pdus = mixed_pdus();
  for (const Digests digests : kAllDigests) {
    const ByteVector stream = stream_of(pdus, digests);
    for (size_t size = 1; size < 60; ++size) {
      Reading reading(digests);
      for (size_t at = 0; at < stream.size(); at += size) {
        const size_t end = std::min(at + size, stream.size());
        ASSERT_EQ(reading.feed(stream, at, end), end - at);
      }
      ASSERT_EQ(reading.user.events, expected_events(pdus)) << "pieces of " << size;
    }
  }
}

TEST(PduReader, AsksAboutAHeaderAsSoonAsItIsThere) {
  Reading reading;
  const ByteVector wire = serialise({0x05, 1, {}, pattern(10, 1)}, false, false);
  reading.feed(wire, 0, 48);
  EXPECT_EQ(reading.user.events.size(), 1u);
  reading.feed(wire, 48, 59);
  EXPECT_EQ(reading.user.events.size(), 1u);
  reading.feed(wire, 59, 60);
  EXPECT_EQ(reading.user.events.size(), 2u);
}

TEST(PduReader, EndsAPduWithoutDataAtItsHeader) {
  for (const Digests digests : kAllDigests) {
    Reading reading(digests);
    reading.feed(serialise({0x00, 9, {}, {}}, digests.header, digests.data));
    EXPECT_EQ(reading.user.events, expected_events({{0x00, 9, {}, {}}}));
  }
}

TEST(PduReader, DoesNothingForAnEmptyPiece) {
  Reading reading;
  EXPECT_EQ(reading.feed({}), 0u);
  EXPECT_TRUE(reading.user.events.empty());
  EXPECT_FALSE(reading.reader.paused());
  EXPECT_FALSE(reading.reader.closed());
}

// ---- Digests ----

TEST(PduReader, ClosesAtAWrongHeaderDigest) {
  const WirePdu pdu = {0x01, 7, pattern(4, 1), pattern(5, 2)};
  const ByteVector good = serialise(pdu, true, true);
  for (size_t at = 0; at < 48 + 4 + 4; ++at) {
    if (at >= 4 && at < 8) continue;  // Lengths: the digest is looked for elsewhere.
    for (int bit = 0; bit < 8; ++bit) {
      ByteVector bad = good;
      bad[at] ^= static_cast<uint8_t>(1 << bit);
      Reading reading({true, true});
      EXPECT_EQ(reading.feed(bad), 56u);
      EXPECT_EQ(reading.user.events, std::vector<std::string>{"header digest error"});
      EXPECT_TRUE(reading.reader.closed());
      EXPECT_EQ(reading.feed(good), 0u);
      EXPECT_EQ(reading.user.events.size(), 1u);
    }
  }
}

TEST(PduReader, FlagsAWrongDataDigestAndGoesOn) {
  const std::vector<WirePdu> pdus = {{0x05, 1, {}, pattern(6, 1)}, {0x05, 2, {}, pattern(8, 2)}};
  const ByteVector good = stream_of(pdus, {true, true});
  // Data, padding and digest of the first PDU.
  for (size_t at = 52; at < 52 + 8 + 4; ++at) {
    ByteVector bad = good;
    bad[at] ^= 0x10;
    Reading reading({true, true});
    reading.trickle(bad);
    ASSERT_EQ(reading.user.events.size(), 4u) << at;
    EXPECT_NE(reading.user.events[1].find("bad digest"), std::string::npos) << at;
    EXPECT_EQ(reading.user.events[3], "pdu " + hex(pdus[1].data)) << at;
  }
}

TEST(PduReader, IgnoresWhatPaddingContainsWithoutADigest) {
  ByteVector wire = serialise({0x05, 1, {}, pattern(5, 1)}, false, false);
  wire[53] = wire[54] = wire[55] = 0xff;
  Reading reading;
  reading.feed(wire);
  EXPECT_EQ(reading.user.events.back(), "pdu " + hex(pattern(5, 1)));
}

TEST(PduReader, TurnsDigestsOnBetweenTwoPdus) {
  const WirePdu first = {0x03, 1, {}, pattern(5, 1)}, second = {0x01, 2, {}, pattern(6, 2)};
  ByteVector stream = serialise(first, false, false);
  append(stream, serialise(second, true, true));
  Reading reading;
  reading.user.pdu_action = [&](RxPdu&) {
    reading.reader.set_digests(true, true);
    return RxAction::kContinue;
  };
  reading.trickle(stream);
  EXPECT_EQ(reading.user.events, expected_events({first, second}));
}

// "Takes effect with the next header": not with the data of the PDU that is being received.
TEST(PduReader, TurnsDigestsOnForTheNextHeaderOnly) {
  const WirePdu first = {0x03, 1, {}, pattern(8, 1)}, second = {0x01, 2, {}, pattern(6, 2)};
  ByteVector stream = serialise(first, false, false);
  append(stream, serialise(second, true, true));
  Reading reading;
  reading.user.header_action = [&](RxPdu&) {
    reading.reader.set_digests(true, true);
    return RxAction::kContinue;
  };
  reading.feed(stream);
  EXPECT_EQ(reading.user.events, expected_events({first, second}));
}

// ---- Pauses and closing ----

TEST(PduReader, RepeatsTheQuestionAboutAHeaderAfterAPause) {
  const std::vector<WirePdu> pdus = mixed_pdus();
  for (const Digests digests : kAllDigests) {
    const ByteVector stream = stream_of(pdus, digests);
    Reading reading(digests);
    int asked = 0;
    reading.user.header_action = [&](RxPdu&) {
      return ++asked % 3 == 0 ? RxAction::kContinue : RxAction::kPause;
    };
    size_t at = 0;
    for (int pass = 0; pass < 100 && !(at == stream.size() && asked % 3 == 0); ++pass) {
      at += reading.feed(stream, at, stream.size());
    }
    EXPECT_EQ(reading.user.events, expected_events(pdus));
    EXPECT_EQ(asked, 3 * static_cast<int>(pdus.size()));
  }
}

TEST(PduReader, RepeatsTheQuestionAboutAPduAfterAPause) {
  const std::vector<WirePdu> pdus = mixed_pdus();
  for (const Digests digests : kAllDigests) {
    const ByteVector stream = stream_of(pdus, digests);
    Reading reading(digests);
    int asked = 0;
    reading.user.pdu_action = [&](RxPdu&) {
      return ++asked % 3 == 0 ? RxAction::kContinue : RxAction::kPause;
    };
    size_t at = 0;
    for (int pass = 0; pass < 100 && !(at == stream.size() && asked % 3 == 0); ++pass) {
      at += reading.feed(stream, at, stream.size());
    }
    EXPECT_EQ(reading.user.events, expected_events(pdus));
    EXPECT_EQ(asked, 3 * static_cast<int>(pdus.size()));
  }
}

TEST(PduReader, UsesNothingBehindTheHeaderItPausesAt) {
  Reading reading;
  const ByteVector wire = serialise({0x05, 1, {}, pattern(10, 1)}, false, false);
  bool pause = true;
  reading.user.header_action = [&](RxPdu&) {
    return pause ? RxAction::kPause : RxAction::kContinue;
  };
  EXPECT_EQ(reading.feed(wire), 48u);
  EXPECT_TRUE(reading.reader.paused());
  EXPECT_EQ(reading.feed({}), 0u);
  EXPECT_TRUE(reading.reader.paused());
  EXPECT_EQ(reading.user.questions, 2);
  pause = false;
  EXPECT_EQ(reading.feed({}), 0u);
  EXPECT_FALSE(reading.reader.paused());
  EXPECT_EQ(reading.feed(wire, 48, wire.size()), 12u);
  EXPECT_EQ(reading.user.events.back(), "pdu " + hex(pattern(10, 1)));
}

TEST(PduReader, GoesOnAfterAPauseAtAPduWithAnEmptyPiece) {
  Reading reading;
  bool pause = true;
  reading.user.pdu_action = [&](RxPdu&) { return pause ? RxAction::kPause : RxAction::kContinue; };
  ByteVector stream = serialise({0x05, 1, {}, pattern(4, 1)}, false, false);
  const size_t first = stream.size();
  append(stream, serialise({0x05, 2, {}, {}}, false, false));
  EXPECT_EQ(reading.feed(stream), first);
  EXPECT_TRUE(reading.reader.paused());
  EXPECT_EQ(reading.user.events.size(), 1u);
  pause = false;
  EXPECT_EQ(reading.feed({}), 0u);
  EXPECT_EQ(reading.user.events.size(), 2u);
  EXPECT_EQ(reading.feed(stream, first, stream.size()), 48u);
  EXPECT_EQ(reading.user.events.size(), 4u);
}

TEST(PduReader, StopsWhereTheUserClosesAtAHeader) {
  Reading reading;
  reading.user.header_action = [](RxPdu& pdu) {
    return pdu.bhs.initiator_task_tag.get() == 2 ? RxAction::kClose : RxAction::kContinue;
  };
  const ByteVector stream =
      stream_of({{0x01, 1, {}, {}}, {0x01, 2, {}, pattern(4, 1)}, {0x01, 3, {}, {}}}, {});
  EXPECT_EQ(reading.feed(stream), 96u);
  EXPECT_TRUE(reading.reader.closed());
  EXPECT_EQ(reading.user.events.size(), 3u);
  EXPECT_EQ(reading.feed(stream), 0u);
  EXPECT_EQ(reading.user.events.size(), 3u);
}

TEST(PduReader, StopsWhereTheUserClosesAtAPdu) {
  Reading reading;
  reading.user.pdu_action = [](RxPdu&) { return RxAction::kClose; };
  const ByteVector stream = stream_of({{0x01, 1, {}, pattern(4, 1)}, {0x01, 2, {}, {}}}, {});
  EXPECT_EQ(reading.feed(stream), 52u);
  EXPECT_TRUE(reading.reader.closed());
  EXPECT_EQ(reading.feed({}), 0u);
  EXPECT_EQ(reading.user.questions, 2);
}

// ---- Additional header segments ----

TEST(PduReader, KeepsAhsThatFitAndSkipsLongerOnes) {
  for (const bool header_digest : {false, true}) {
    for (size_t words = 1; words <= 255; ++words) {
      const WirePdu pdu = {0x01, 1, pattern(words * 4, 1), pattern(5, 2)};
      const WirePdu after = {0x00, 2, {}, pattern(3, 3)};
      const ByteVector stream = stream_of({pdu, after}, {header_digest, true});
      Reading reading({header_digest, true});
      for (size_t at = 0; at < stream.size(); at += 77)
        reading.feed(stream, at, std::min(at + 77, stream.size()));
      std::vector<std::string> expected = expected_events({pdu, after});
      if (words * 4 > RxPdu::kMaxAhs)
        expected[0] = "header " + hex(wire_header(pdu)) + " ahs  too long";
      ASSERT_EQ(reading.user.events, expected) << words << " words";
    }
  }
}

TEST(PduReader, RejectsAhsLongerThanBuffer) {
  Reading reading;
  ByteVector ahs = pattern(RxPdu::kMaxAhs, 1);
  reading.feed(serialise({0x01, 1, ahs, {}}, false, false));
  EXPECT_FALSE(reading.pdu.ahs_too_long);
  EXPECT_EQ(reading.pdu.ahs_size, RxPdu::kMaxAhs);
  ahs.resize(ahs.size() + 4);
  reading.feed(serialise({0x01, 2, ahs, {}}, false, false));
  EXPECT_TRUE(reading.pdu.ahs_too_long);
  EXPECT_EQ(reading.pdu.ahs_size, 0u);
  reading.feed(serialise({0x01, 3, {}, {}}, false, false));
  EXPECT_FALSE(reading.pdu.ahs_too_long);
}

TEST(PduReader, LooksAtTheDigestOfSkippedAhs) {
  ByteVector bad = serialise({0x01, 1, pattern(1020, 1), {}}, true, false);
  bad[48 + 1019] ^= 1;
  Reading reading({true, false});
  reading.trickle(bad);
  EXPECT_EQ(reading.user.events, std::vector<std::string>{"header digest error"});
}

// ---- Placement ----

class PduReaderPlacement : public testing::TestWithParam<size_t> {
 protected:
  // Feeds a PDU with `data` in pieces of the parameter's size and the PDU behind it.
  void receive(const ByteVector& data) {
    reading_.user.place = [this](RxPdu& pdu, Placement* placement) {
      if (pdu.bhs.opcode_byte == 0x05) placed_(placement);
    };
    const ByteVector stream = stream_of({{0x05, 1, {}, data}, {0x00, 2, {}, {}}}, {true, true});
    for (size_t at = 0; at < stream.size(); at += GetParam()) {
      const size_t end = std::min(at + GetParam(), stream.size());
      ASSERT_EQ(reading_.feed(stream, at, end), end - at);
    }
    ASSERT_EQ(reading_.user.events.size(), 4u);
    for (const std::string& event : reading_.user.events)
      EXPECT_EQ(event.find("bad digest"), std::string::npos);
  }
  Reading reading_{{true, true}};
  std::function<void(Placement*)> placed_;
};

TEST_P(PduReaderPlacement, PutsDataIntoASgList) {
  SgMemory memory;
  memory.add_address(100);
  memory.add_address(0);
  memory.add_pages(4000, 9000);
  memory.add_address(1);
  memory.add_pages(0, 4096, true);
  memory.add_pages(4095, 1);
  const ByteVector data = pattern(100 + 9000 + 1 + 4096 + 1, 7);
  placed_ = [&](Placement* placement) {
    placement->buffers = SgCursor(memory.list(), 0, data.size());
  };
  receive(data);
  EXPECT_EQ(memory.content(), data);
  EXPECT_TRUE(memory.surroundings_intact());
}

TEST_P(PduReaderPlacement, PutsDataIntoAPartOfASgList) {
  SgMemory memory;
  memory.add_address(100);
  memory.add_pages(17, 5000);
  const ByteVector data = pattern(4321, 8);
  placed_ = [&](Placement* placement) {
    placement->buffers = SgCursor(memory.list(), 90, data.size());
  };
  receive(data);
  ByteVector expected(5100, SgMemory::kFill);
  std::copy(data.begin(), data.end(), expected.begin() + 90);
  EXPECT_EQ(memory.content(), expected);
  EXPECT_TRUE(memory.surroundings_intact());
}

TEST_P(PduReaderPlacement, DropsWhatAnExhaustedCursorDoesNotTake) {
  SgMemory memory;
  memory.add_address(10);
  memory.add_pages(4090, 20);
  const ByteVector data = pattern(500, 9);
  placed_ = [&](Placement* placement) { placement->buffers = SgCursor(memory.list(), 0, 25); };
  receive(data);
  ByteVector expected(30, SgMemory::kFill);
  std::copy_n(data.begin(), 25, expected.begin());
  EXPECT_EQ(memory.content(), expected);
  EXPECT_TRUE(memory.surroundings_intact());
}

TEST_P(PduReaderPlacement, DropsWhatDoesNotFitInMemory) {
  const ByteVector data = pattern(500, 10);
  ByteVector room(123, 0xcc);
  room.shrink_to_fit();
  placed_ = [&](Placement* placement) {
    placement->memory = MutableBytes(room.data(), room.size());
  };
  receive(data);
  EXPECT_EQ(room, ByteVector(data.begin(), data.begin() + 123));
}

TEST_P(PduReaderPlacement, DropsDataWithoutAPlace) {
  placed_ = [](Placement*) {};
  receive(pattern(500, 11));
}

INSTANTIATE_TEST_SUITE_P(Pieces, PduReaderPlacement,
                         testing::Values(1, 2, 3, 5, 48, 53, 1000, 100000));

TEST(PduReader, DoesNotUseThePlaceOfThePduBefore) {
  Reading reading;
  ByteVector room(8, 0xcc);
  int calls = 0;
  reading.user.place = [&](RxPdu&, Placement* placement) {
    if (calls++ == 0) placement->memory = MutableBytes(room.data(), room.size());
  };
  reading.feed(stream_of({{0x05, 1, {}, pattern(8, 1)}, {0x05, 2, {}, pattern(8, 2)}}, {}));
  EXPECT_EQ(room, pattern(8, 1));
  EXPECT_EQ(calls, 2);
}

TEST(PduReader, ForgetsThePlaceThatWasNamedBeforeAPause) {
  Reading reading;
  ByteVector room(8, 0xcc);
  class User : public IdleUser {
   public:
    explicit User(ByteVector& memory) : memory_(memory) {}
    RxAction on_header(RxPdu&, Placement* placement) override {
      if (calls_++ != 0) return RxAction::kContinue;
      placement->memory = MutableBytes(memory_.data(), memory_.size());
      return RxAction::kPause;
    }

   private:
    ByteVector& memory_;
    int calls_ = 0;
  } user(room);
  reading.reader.set_user(&user);
  const ByteVector wire = serialise({0x05, 1, {}, pattern(8, 1)}, false, false);
  const size_t used = reading.feed(wire);
  EXPECT_EQ(used + reading.feed(wire, used, wire.size()), wire.size());
  EXPECT_EQ(room, ByteVector(8, 0xcc));
}

TEST(PduReader, TakesTheLongestDataSegmentThatAHeaderCanName) {
  WirePdu pdu = {0x05, 1, {}, ByteVector(0xffffff, 0x5a)};
  const ByteVector header = wire_header(pdu);
  Reading reading;
  reading.user.place = [](RxPdu&, Placement*) {};
  reading.feed(header);
  const ByteVector piece(0x100000);
  for (int i = 0; i < 15; ++i)
    ASSERT_EQ(reading.feed(piece), piece.size());
  EXPECT_EQ(reading.feed(piece, 0, 0xfffff), 0xfffffu);
  EXPECT_EQ(reading.user.events.size(), 1u);
  EXPECT_EQ(reading.feed({0}), 1u);  // The padding.
  EXPECT_EQ(reading.user.events.size(), 2u);
}

}  // namespace
}  // namespace chiscsi::test
