// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of the PDU reader: any bytes, in any pieces, with any answers of its user.
//
// Input: one byte of choices (digests, where data goes, repair), one byte for the user's answers,
// a count of split points, those, and the stream. With the repair bit, digests are computed over
// what is in the stream, so that the fuzzer gets past them. Oracles beside crashes: in one piece,
// byte by byte, and in the pieces asked for, the reader uses the same bytes and tells the same;
// data outside of the placement stays as it is; and a plain parser agrees on the first PDU.
#include <cstdio>
#include <cstdlib>

#include "os/digest.h"
#include "tests/unit/transport/wire.hh"
#include "transport/pdu_reader.hh"

namespace {

using namespace chiscsi;
using namespace chiscsi::test;

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "pdu_reader_fuzz: %s\n", what);
  abort();
}

struct Choices {
  explicit Choices(uint8_t bits, uint8_t a)
      : header_digest((bits & 1) != 0),
        data_digest((bits & 2) != 0),
        place(bits >> 2 & 3),
        repair((bits & 16) != 0),
        answers(a) {}
  const bool header_digest;
  const bool data_digest;
  const int place;  // 0: memory, 1: short memory, 2: a list, 3: nowhere.
  const bool repair;
  // One bit for each question: set for a pause; 0xff closes at the eighth.
  const uint8_t answers;
};

// What a run saw, and what it did to memory.
struct Outcome {
  std::vector<std::string> events;
  size_t used = 0;
  bool closed = false;
  bool operator==(const Outcome&) const = default;
};

class Run {
 public:
  explicit Run(const Choices& choices) : choices_(choices) {
    user_.header_action = [this](RxPdu&) { return next_answer(); };
    user_.pdu_action = [this](RxPdu&) {
      const RxAction action = next_answer();
      if (action != RxAction::kPause) take_data();
      return action;
    };
    user_.place = [this](RxPdu& pdu, Placement* placement) { place(pdu, placement); };
    reader_.set_user(&user_);
    reader_.set_digests(choices.header_digest, choices.data_digest);
  }

  // Offers a piece until it is used up, or the reader has closed.
  void feed(const uint8_t* data, size_t size) {
    const auto piece = std::make_unique<uint8_t[]>(size);
    std::copy(data, data + size, piece.get());
    size_t at = 0;
    for (size_t calls = 0; !reader_.closed(); ++calls) {
      require(calls < 8 * (size + 2), "no progress");
      const size_t used = reader_.consume(Bytes(piece.get() + at, size - at));
      require(used <= size - at, "used more than there is");
      require(used == size - at || reader_.paused() || reader_.closed(), "stopped for no reason");
      at += used;
      if (at == size && !reader_.paused()) break;
    }
    used_ += at;
  }

  Outcome outcome() const { return {user_.events, used_, reader_.closed()}; }

 private:
  // Every question is put again after a pause, so each gets its answer and then a way on.
  RxAction next_answer() {
    if (paused_) {
      paused_ = false;
      return RxAction::kContinue;
    }
    const unsigned bit = questions_++ % 8;
    if (choices_.answers == 0xff && questions_ >= 8) return RxAction::kClose;
    paused_ = (choices_.answers >> bit & 1) != 0;
    return paused_ ? RxAction::kPause : RxAction::kContinue;
  }

  void place(RxPdu& pdu, Placement* placement) {
    const uint32_t size = pdu.data_size() < kMost ? pdu.data_size() : kMost;
    list_.reset();
    user_.data.clear();
    switch (choices_.place) {
      case 0:
      case 1:
        user_.data.assign(choices_.place == 0 ? size : size / 2, 0xcc);
        user_.data.shrink_to_fit();
        placement->memory = MutableBytes(user_.data.data(), user_.data.size());
        break;
      case 2:
        list_ = std::make_unique<SgMemory>();
        list_->add_address(size / 3);
        list_->add_pages(4000, size / 2);
        list_->add_address(0);
        list_->add_address(1 + size / 9);
        placement->buffers = SgCursor(list_->list(), 2, size);
        break;
      default:
        break;
    }
  }

  void take_data() {
    if (!list_) return;
    require(list_->surroundings_intact(), "wrote beside the list");
    user_.data = list_->content();
    for (size_t i = 0; i < 2 && i < user_.data.size(); ++i)
      require(user_.data[i] == SgMemory::kFill, "wrote before the placement");
  }

  static constexpr uint32_t kMost = 4096;
  const Choices choices_;
  RxPdu pdu_;
  PduReader reader_{&pdu_};
  RecordingUser user_;
  std::unique_ptr<SgMemory> list_;
  size_t used_ = 0;
  unsigned questions_ = 0;
  bool paused_ = false;
};

// Where the PDU at `at` has its parts.
struct Layout {
  Layout(const ByteVector& stream, size_t at, const Choices& choices) {
    data_size = stream[at + 5] << 16 | stream[at + 6] << 8 | stream[at + 7];
    header_digest = at + 48 + stream[at + 4] * 4u;
    data = header_digest + (choices.header_digest ? 4 : 0);
    data_digest = data + data_size + (4 - data_size % 4) % 4;
    end = data_digest + (choices.data_digest && data_size != 0 ? 4 : 0);
  }
  size_t data_size, header_digest, data, data_digest, end;
};

void put_digest_at(ByteVector& stream, size_t from, size_t to) {
  if (to + 4 > stream.size()) return;
  put_digest(stream.data() + to, os_crc32c(~0u, stream.data() + from, to - from));
}

void repair(ByteVector& stream, const Choices& choices) {
  for (size_t at = 0; at + 48 <= stream.size();) {
    const Layout layout(stream, at, choices);
    if (choices.header_digest) put_digest_at(stream, at, layout.header_digest);
    if (layout.end > layout.data_digest) put_digest_at(stream, layout.data, layout.data_digest);
    at = layout.end;
  }
}

// The first PDU by plain arithmetic: what the first events have to be.
void check_first_pdu(const ByteVector& stream, const Choices& choices, const Outcome& outcome) {
  if (stream.size() < 48) return require(outcome.events.empty(), "an event without a header");
  const Layout layout(stream, 0, choices);
  if (layout.data > stream.size()) return require(outcome.events.empty(), "an event too early");
  require(!outcome.events.empty(), "no event for a header");
  const ByteVector header(stream.begin(), stream.begin() + static_cast<long>(layout.header_digest));
  if (choices.header_digest) {
    const bool good =
        std::equal(stream.begin() + static_cast<long>(layout.header_digest),
                   stream.begin() + static_cast<long>(layout.data), plain_digest(header).begin());
    require(good == (outcome.events[0] != "header digest error"), "header digest");
    if (!good) return;
  }
  require(outcome.events[0].rfind("header " + hex(header.data(), 48), 0) == 0, "other header");
  if (layout.end > stream.size()) return require(outcome.events.size() == 1, "a PDU too early");
  require(outcome.events.size() >= 2, "no event for a PDU");
  const bool flagged = outcome.events[1].find("bad digest") != std::string::npos;
  bool good = true;
  if (layout.end > layout.data_digest) {
    const ByteVector data(stream.begin() + static_cast<long>(layout.data),
                          stream.begin() + static_cast<long>(layout.data_digest));
    good = std::equal(stream.begin() + static_cast<long>(layout.data_digest),
                      stream.begin() + static_cast<long>(layout.end), plain_digest(data).begin());
  }
  require(flagged == !good, "data digest");
  if (choices.place == 0 && layout.data_size <= 4096) {
    const std::string data = hex(stream.data() + layout.data, layout.data_size);
    require(outcome.events[1].rfind("pdu " + data, 0) == 0, "other data");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3 || size > 1 << 13) return 0;
  const Choices choices(data[0], data[1]);
  const size_t splits = std::min<size_t>(data[2], size - 3);
  ByteVector stream(data + 3 + splits, data + size);
  if (choices.repair) repair(stream, choices);

  Run whole(choices);
  whole.feed(stream.data(), stream.size());
  check_first_pdu(stream, choices, whole.outcome());

  Run bytes(choices);
  for (const uint8_t& byte : stream)
    bytes.feed(&byte, 1);
  require(bytes.outcome() == whole.outcome(), "byte by byte it is something else");

  Run pieces(choices);
  size_t at = 0;
  for (size_t i = 0; i < splits; ++i) {
    const size_t piece = std::min<size_t>(data[3 + i], stream.size() - at);
    pieces.feed(stream.data() + at, piece);
    at += piece;
  }
  pieces.feed(stream.data() + at, stream.size() - at);
  require(pieces.outcome() == whole.outcome(), "in pieces it is something else");
  return 0;
}
