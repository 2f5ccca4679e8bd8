// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of Text Requests in full feature phase, and of the decoders of values.
//
// Input: one byte chooses the kind of session and the peer's receive limit; the rest is requests,
// separated by two bytes 0xff, each a byte of flags and its text. Bits of the flags byte that the
// protocol does not use say which Target Transfer Tag comes back. Oracles beside crashes: every
// answer is bounded and well formed, a rejected exchange is closed and frees its memory, and the
// decoders agree with plain ones written down here.
#include <cstdio>
#include <cstdlib>

#include "host.hh"
#include "target/config/number.hh"
#include "target/login/text_request.hh"
#include "tests/unit/target/login/fake_login_host.hh"

namespace {

using namespace chiscsi;
using namespace chiscsi::test;
using Step = TextExchange::Step;

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "text_fuzz: %s\n", what);
  abort();
}

class Directory final : public TargetDirectory {
 public:
  Directory() {
    for (int i = 0; i < 20; ++i) {
      const std::string name = "iqn.2026-11.org.example:disk" + std::to_string(i);
      const std::string text =
          wire({"PortalGroup=1@0.0.0.0,[2001:db8::1]", "PortalGroup=2@192.0.2.1"});
      ConfigError error;
      auto settings = TargetSettings::parse(text_of(name), bytes_of(text), {}, &error);
      require(settings.is_ok(), error.c_str());
      targets_.push_back(settings.take());
    }
  }
  void enumerate(TargetVisitor& visitor) override {
    for (const Ref<TargetSettings>& target : targets_) {
      if (!visitor.visit(*target)) return;
    }
  }

 private:
  std::vector<Ref<TargetSettings>> targets_;
};

class Run {
 public:
  Run(Directory& directory, uint8_t choice)
      : exchange_(directory, parameters_, context_for(choice), limits_for(choice)) {
    parameters_.max_send_data_segment_length = (choice & 2) != 0 ? 512 : 8192;
  }

  void send(uint8_t bits, const std::string& text) {
    iscsi::TextRequest request = {};
    request.opcode_byte = (bits & 1) != 0 ? 0x44 : 0x04;
    request.flags = bits & 0xc0;
    request.initiator_task_tag = bits & 2;
    request.target_transfer_tag = (bits & 4) != 0   ? iscsi::kReservedTag
                                  : (bits & 8) != 0 ? 5
                                                    : tag_;
    const uint32_t limit = parameters_.max_send_data_segment_length;
    if (exchange_.on_request(request, bytes_of(text)) == Step::kReject) {
      require(!exchange_.is_open(), "a rejected exchange stays open");
      require(exchange_.failure_reason()[0] != '\0', "no reason");
      tag_ = iscsi::kReservedTag;
      return;
    }
    check(bits, limit);
  }

 private:
  static DiscoveryContext context_for(uint8_t choice) {
    DiscoveryContext context;
    context.discovery_session = (choice & 1) != 0;
    if (!context.discovery_session) context.session_target = "iqn.2026-11.org.example:disk3";
    require(parse_ip_and_port("192.0.2.9:3260", &context.arrived_at), "address");
    return context;
  }
  static TextLimits limits_for(uint8_t choice) {
    TextLimits limits;
    if ((choice & 4) != 0) limits.max_answer_bytes = 1000;
    return limits;
  }

  void check(uint8_t bits, uint32_t limit) {
    const iscsi::TextResponse& response = exchange_.response();
    const Bytes data = exchange_.response_data();
    tag_ = response.target_transfer_tag.get();
    const bool final = (response.flags & 0x80) != 0;
    require(data.size() <= limit, "answer longer than the peer takes");
    require(response.data_segment_length.get() == data.size(), "wrong DataSegmentLength");
    require(final == (tag_ == iscsi::kReservedTag), "F bit and tag");
    // LUN 0 is a valid one where there is a tag; where there is none, the field is reserved.
    for (const uint8_t byte : response.lun)
      require(byte == 0, "LUN of a text response");
    require(!final || (bits & 0x80) != 0, "F bit without request");
    require((response.flags & 0xc0) != 0xc0, "F and C together");
    require(final == !exchange_.is_open(), "F bit and state");
    require((response.flags & 0x40) != 0 || data.empty() || data[data.size() - 1] == 0, "no NUL");
    const uint32_t send = parameters_.max_send_data_segment_length;
    require(send >= 512 && send <= 0xffffff, "send limit out of range");
  }

  ConnectionParameters parameters_;
  uint32_t tag_ = iscsi::kReservedTag;
  TextExchange exchange_;
};

// --- Decoders, by way of what everybody would write ---

bool plain_hex(const std::string& text, std::string* out) {
  if (text.size() < 3 || text[0] != '0' || (text[1] | 32) != 'x') return false;
  std::string digits = text.substr(2);
  if (digits.size() % 2 != 0) digits = "0" + digits;
  for (size_t i = 0; i < digits.size(); i += 2) {
    if (isxdigit(digits[i] & 255) == 0 || isxdigit(digits[i + 1] & 255) == 0) return false;
    *out += static_cast<char>(strtoul(digits.substr(i, 2).c_str(), nullptr, 16));
  }
  return true;
}

bool plain_base64(const std::string& text, std::string* out) {
  static const std::string kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() < 3 || text[0] != '0' || (text[1] | 32) != 'b' || (text.size() - 2) % 4 != 0)
    return false;
  for (size_t i = 2; i < text.size(); i += 4) {
    std::string quad = text.substr(i, 4);
    size_t padding = 0;
    while (i + 4 == text.size() && padding < 2 && quad[3 - padding] == '=')
      quad[3 - padding++] = 'A';
    uint32_t bits = 0;
    for (const char c : quad) {
      const size_t value = kAlphabet.find(c);
      if (value == std::string::npos) return false;
      bits = bits << 6 | static_cast<uint32_t>(value);
    }
    if ((bits & ((1u << (8 * padding)) - 1)) != 0) return false;
    for (size_t byte = 0; byte < 3 - padding; ++byte)
      *out += static_cast<char>(bits >> (16 - 8 * byte));
  }
  return true;
}

void check_decoders(const std::string& text) {
  std::string expected;
  const bool good = plain_hex(text, &expected) || (expected.clear(), plain_base64(text, &expected));
  const size_t room = good ? expected.size() : 64;
  std::vector<uint8_t> out(room);
  size_t size = 0;
  require(decode_binary(text_of(text), {out.data(), room}, &size) == good, "decoder disagrees");
  if (good) {
    require(std::string(out.begin(), out.end()) == expected && size == room, "decoded differently");
    require(!decode_binary(text_of(text), {out.data(), room - 1}, &size), "decoded without room");
  }
  uint64_t number = 0;
  if (parse_number(text_of(text), NumberSyntax::kDecimalOrHex, &number)) {
    char* end = nullptr;
    require(strtoull(text.c_str(), &end, 0) == number && *end == '\0', "number read differently");
    require(isdigit(text[0] & 255) != 0, "number with a sign or a blank");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Directory directory;
  if (size == 0) return 0;
  const std::string input(reinterpret_cast<const char*>(data), size);
  check_decoders(input.substr(1));
  const uint64_t before = host_live_allocations();
  {
    Run run(directory, data[0]);
    for (size_t at = 1; at < size;) {
      const size_t end = input.find("\xff\xff", at);
      const std::string request = input.substr(at, end == std::string::npos ? end : end - at);
      if (!request.empty()) run.send(static_cast<uint8_t>(request[0]), request.substr(1));
      if (end == std::string::npos) break;
      at = end + 2;
    }
  }
  require(host_live_allocations() == before, "memory is left");
  return 0;
}
