// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of what an adapter sends: PDU assembly, the SYN of a connection request, and the tags that
// come back from an initiator.
//
// Input: one byte of choices (0x03: 1 SYN, 2 tags, else assembly; 0x04: chip 6; 0x08: repair), then
// for the assembly records of {kind, size, zeros, cut} and `size` bytes of a message, with four
// times as many zeros as said behind them. Of the kind 0x03 is the opcode, 0x04 leaves the
// message's own, 0x08 puts it inline. With repair, sequence numbers are those of the stream, so
// that the fuzzer gets past them. Oracles beside crashes: cut into fragments and in one piece,
// messages give the same PDUs; a PDU has the data that its header announces; every page is given
// back once; tags go round.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "offload/page_pods.hh"
#include "offload/wr.hh"
#include "tests/unit/offload/rx_messages.hh"

namespace {

using namespace chiscsi;
using namespace chiscsi::test;

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "cpl_fuzz: %s\n", what);
  abort();
}

struct Record {
  ByteVector bytes;
  bool is_inline = false;
  std::vector<size_t> cuts;
};

// Takes records off the input; `rcv_nxt` is that of the assembler they are for.
class Input {
 public:
  Input(const uint8_t* data, size_t size, bool repair)
      : data_(data), size_(size), repair_(repair) {}

  bool next(uint32_t rcv_nxt, Record* record) {
    if (size_ < 4) return false;
    const uint8_t kind = data_[0];
    const size_t size = std::min<size_t>(data_[1], size_ - 4);
    static const uint8_t kOpcodes[] = {0x33, 0xb2, 0x49, 0x45};
    *record = {};
    record->bytes.assign(data_ + 4, data_ + 4 + size);
    record->bytes.resize(size + size_t{data_[2]} * 4);
    record->is_inline = (kind & 8) != 0;
    if ((kind & 4) == 0 && !record->bytes.empty()) record->bytes[0] = kOpcodes[kind & 3];
    if (repair_ && (kind & 7) == 0 && record->bytes.size() >= 12) {
      for (int i = 0; i < 4; ++i)
        record->bytes[8 + static_cast<size_t>(i)] = static_cast<uint8_t>(rcv_nxt >> (24 - 8 * i));
    }
    const size_t whole = record->bytes.size() + 1;
    record->cuts = {data_[3] % whole, data_[3] * size_t{7} % whole};
    std::sort(record->cuts.begin(), record->cuts.end());
    data_ += 4 + size;
    size_ -= 4 + size;
    return true;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  const bool repair_;
};

// Checks a PDU against its own header, and says what it is.
std::string describe(const Feeder& feeder) {
  const RxAssembler& pdu = feeder.assembler;
  std::string text = std::to_string(pdu.wire_bytes()) + " " + std::to_string(pdu.ddpvld());
  const ByteVector payload = feeder.payload();
  size_t sum = 0;
  for (const os_fragment& fragment : pdu.fragments()) {
    require(fragment.length != 0, "an empty fragment");
    sum += fragment.length;
  }
  require(sum == payload.size(), "pieces are not the fragments");
  if (pdu.header_digest_error()) {
    require(payload.empty(), "data of a PDU without a header");
    return text;
  }
  const size_t ahs = pdu.bhs().total_ahs_length * size_t{4};
  require(pdu.ahs_too_long() == (ahs > RxAssembler::kAhsMax), "a wrong flag for the AHS");
  require(pdu.ahs().size() == (pdu.ahs_too_long() ? 0 : ahs), "a wrong size of the AHS");
  require(!pdu.placed() || payload.empty(), "data that was placed");
  require(pdu.placed() || payload.size() == pdu.data_size(), "not the data that is announced");
  return text + (pdu.placed() ? " placed " : " ") + (pdu.merged() ? "merged " : "") +
         hex(feeder.header()) + " " + hex(payload);
}

std::vector<std::string> assemble(Input input, uint32_t chip, bool cut) {
  std::vector<std::string> events;
  Feeder feeder(chip, 77);
  Record record;
  while (input.next(feeder.assembler.rcv_nxt(), &record)) {
    RxVerdict verdict;
    if (record.is_inline) {
      verdict = feeder.feed_inline(record.bytes);
    } else {
      verdict = feeder.feed(record.bytes, cut ? record.cuts : std::vector<size_t>());
    }
    require((verdict == RxVerdict::kPdu) == feeder.assembler.complete(), "a verdict");
    if (verdict == RxVerdict::kPdu) {
      events.push_back(describe(feeder));
      feeder.assembler.release();
      require(Pages::count() == 0, "pages of a PDU that was released");
    } else if (verdict == RxVerdict::kViolation) {
      require(Pages::count() == 0, "pages after a violation");
      events.push_back(name_of(feeder.assembler.violation()));
    }
    require(Pages::count() <= RxAssembler::kMaxFragments, "too many pages");
  }
  return events;
}

void check_assembly(const uint8_t* data, size_t size, uint32_t chip, bool repair) {
  const Input input(data, size, repair);
  const std::vector<std::string> whole = assemble(input, chip, false);
  require(Pages::count() == 0, "pages are left");
  const std::vector<std::string> cut = assemble(input, chip, true);
  require(Pages::count() == 0, "pages are left of cut messages");
  // More fragments may be too many, and all that follows is lost then.
  const std::string many = name_of(RxViolation::kFragments);
  if (std::find(cut.begin(), cut.end(), many) == cut.end())
    require(cut == whole, "cut it is something else");
}

void check_syn(const uint8_t* data, size_t size, uint32_t chip) {
  const auto exact = std::make_unique<uint8_t[]>(size);
  std::copy(data, data + size, exact.get());
  wr::AcceptRequest request;
  const bool good = wr::read_accept_request(Bytes(exact.get(), size), chip, &request);
  require(size >= sizeof(cpl::PassAcceptReq) + 40 || !good, "a SYN without its headers");
  require(good || (request.local.port == 0 && request.mss == 0), "a part of a SYN");
  require(request.local.is_ipv6 == request.peer.is_ipv6, "two families");
}

void check_tags(const uint8_t* data, size_t size) {
  for (size_t at = 0; at + 8 <= size; at += 8) {
    uint32_t mask, tag;
    memcpy(&mask, data + at, 4);
    memcpy(&tag, data + at + 4, 4);
    const TagFormat format = TagFormat::from_mask(mask);
    if (format.is_ddp(tag)) {
      const uint32_t pod_tag = format.pod_tag(tag);
      require(pod_tag <= (mask & 0x3fffffff) || !format.can_place(), "a tag beyond the mask");
      require(!format.can_place() || pod_tag == (format.index(tag) << 6 | TagFormat::colour(tag)),
              "a tag is more than index and colour");
    } else {
      const uint32_t value = format.non_ddp_value(tag);
      require(format.make_non_ddp(value) == tag, "a tag does not go round");
    }
    const uint32_t value = tag >> 1;
    require(!format.is_ddp(format.make_non_ddp(value)), "a tag is taken for a DDP tag");
    require(format.non_ddp_value(format.make_non_ddp(value)) == value, "a value does not go round");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 1 << 13) return 0;
  const uint32_t chip = (data[0] & 4) != 0 ? 6 : 5;
  switch (data[0] & 3) {
    case 1:
      check_syn(data + 1, size - 1, chip);
      break;
    case 2:
      check_tags(data + 1, size - 1);
      break;
    default:
      check_assembly(data + 1, size - 1, chip, (data[0] & 8) != 0);
  }
  return 0;
}
