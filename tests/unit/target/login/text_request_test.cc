// SPDX-License-Identifier: GPL-2.0-only
//
// TextExchange: tags, continuation, renegotiation in full feature phase, and SendTargets end to
// end. Rows N-1 to N-4 of the robustness corpus.
#include "target/login/text_request.hh"

#include <gtest/gtest.h>

#include <string>

#include "host.hh"
#include "tests/unit/target/login/fake_login_host.hh"

namespace chiscsi::test {
namespace {

using Step = TextExchange::Step;
using iscsi::RejectReason;

class FakeDirectory final : public TargetDirectory {
 public:
  void enumerate(TargetVisitor& visitor) override {
    ++visits;
    for (const Ref<TargetSettings>& target : targets) {
      if (!visitor.visit(*target)) return;
    }
  }
  std::vector<Ref<TargetSettings>> targets;
  int visits = 0;
};

Ref<TargetSettings> named_target(const std::string& name, std::vector<std::string> lines) {
  std::string text;
  for (const std::string& line : lines)
    text += line + '\0';
  ConfigError error;
  auto settings = TargetSettings::parse(text_of(name), bytes_of(text), {}, &error);
  return settings.is_ok() ? settings.take() : Ref<TargetSettings>();
}

class TextExchangeTest : public testing::Test {
 protected:
  TextExchangeTest() {
    directory.targets.push_back(named_target(kTargetName, {"PortalGroup=1@192.0.2.1:3260"}));
    context.session_target = kTargetName;
    EXPECT_TRUE(parse_ip_and_port("192.0.2.1:3260", &context.arrived_at));
    make();
  }
  void make() { exchange = std::make_unique<TextExchange>(directory, parameters, context, limits); }

  Step send(uint8_t flags, uint32_t tag, const std::string& text, uint32_t task_tag = 7) {
    iscsi::TextRequest request = {};
    request.opcode_byte = 0x04;
    request.flags = flags;
    request.initiator_task_tag = task_tag;
    request.target_transfer_tag = tag;
    const Step step = exchange->on_request(request, bytes_of(text));
    if (step == Step::kRespond) check_response(flags);
    return step;
  }
  Step send_new(const std::string& text) { return send(0x80, iscsi::kReservedTag, text); }

  // What holds for every answer, RFC 7143 section 11.11.
  void check_response(uint8_t request_flags) {
    const iscsi::TextResponse& response = exchange->response();
    EXPECT_EQ(response.opcode_byte, 0x24);
    EXPECT_EQ(response.data_segment_length.get(), exchange->response_data().size());
    EXPECT_LE(exchange->response_data().size(), parameters.max_send_data_segment_length);
    const bool final = (response.flags & 0x80) != 0;
    EXPECT_EQ(final, tag() == iscsi::kReservedTag);
    EXPECT_EQ(final, !exchange->is_open());
    EXPECT_NE(response.flags & 0xc0, 0xc0);
    if ((request_flags & 0x80) == 0) {
      EXPECT_FALSE(final);
    }
  }
  uint32_t tag() const { return exchange->response().target_transfer_tag.get(); }
  bool final() const { return (exchange->response().flags & 0x80) != 0; }
  bool continued() const { return (exchange->response().flags & 0x40) != 0; }
  std::string answer() const { return string_of(exchange->response_data()); }
  void expect_rejected(Step step, RejectReason reason) {
    EXPECT_EQ(step, Step::kReject);
    EXPECT_EQ(exchange->reject_reason(), reason) << exchange->failure_reason();
    EXPECT_FALSE(exchange->is_open());
  }
  void expect_session_goes_on() {
    EXPECT_EQ(send_new(wire({"SendTargets="})), Step::kRespond);
    EXPECT_EQ(answer(),
              wire({std::string("TargetName=") + kTargetName, "TargetAddress=192.0.2.1:3260,1"}));
  }

  FakeDirectory directory;
  ConnectionParameters parameters;
  DiscoveryContext context;
  TextLimits limits;
  std::unique_ptr<TextExchange> exchange;
};

// --- SendTargets, N-1 ---

TEST_F(TextExchangeTest, AnswersSendTargetsInANormalSession) {
  for (const char* value : {"All", "", kTargetName}) {
    EXPECT_EQ(send_new(wire({std::string("SendTargets=") + value})), Step::kRespond);
    EXPECT_TRUE(final());
    EXPECT_EQ(pairs_of(answer()).size(), 2u);
  }
  EXPECT_EQ(send_new(wire({"SendTargets=iqn.2026-11.org.example:other"})), Step::kRespond);
  EXPECT_EQ(answer(), "");
}

TEST_F(TextExchangeTest, RefusesBadSendTargetsAndGoesOn) {
  for (const char* text :
       {"SendTargets=Alle", "SendTargets=A", "SendTargets=all", "SendTargets=NotUnderstood"}) {
    expect_rejected(send_new(wire({text})), RejectReason::kProtocolError);
    expect_session_goes_on();
  }
  for (const char* text : {"SendTargetsPlease=All", "sENDtARGETS=aLL"}) {
    EXPECT_EQ(send_new(wire({text})), Step::kRespond);
    EXPECT_NE(answer().find("=NotUnderstood"), std::string::npos);
    expect_session_goes_on();
  }
}

TEST_F(TextExchangeTest, WantsSendTargetsAlone) {
  for (const char* other : {"X-a=1", "InitiatorAlias=x", "MaxRecvDataSegmentLength=512"}) {
    expect_rejected(send_new(wire({"SendTargets=", other})), RejectReason::kProtocolError);
  }
}

// --- Tags, N-2 ---

TEST_F(TextExchangeTest, RefusesTagsThatItDidNotGive) {
  for (const uint32_t tag : {0u, 1u, 0xfffffffeu}) {
    expect_rejected(send(0x80, tag, ""), RejectReason::kInvalidPduField);
  }
  EXPECT_EQ(send(0, iscsi::kReservedTag, ""), Step::kRespond);
  const uint32_t first = tag();
  EXPECT_EQ(send(0, first, ""), Step::kRespond);
  EXPECT_NE(tag(), first);
  expect_rejected(send(0x80, first, ""), RejectReason::kInvalidPduField);
  expect_session_goes_on();
}

TEST_F(TextExchangeTest, RefusesTheTagOfAFinishedExchange) {
  EXPECT_EQ(send(0, iscsi::kReservedTag, ""), Step::kRespond);
  const uint32_t last = tag();
  EXPECT_EQ(send(0x80, last, ""), Step::kRespond);
  EXPECT_TRUE(final());
  expect_rejected(send(0x80, last, ""), RejectReason::kInvalidPduField);
}

TEST_F(TextExchangeTest, RefusesAnotherTaskTagOrImmediateBit) {
  EXPECT_EQ(send(0, iscsi::kReservedTag, ""), Step::kRespond);
  expect_rejected(send(0x80, tag(), "", 8), RejectReason::kInvalidPduField);
  EXPECT_EQ(send(0, iscsi::kReservedTag, ""), Step::kRespond);
  iscsi::TextRequest request = {};
  request.opcode_byte = 0x44;
  request.flags = 0x80;
  request.initiator_task_tag = 7;
  request.target_transfer_tag = tag();
  expect_rejected(exchange->on_request(request, {}), RejectReason::kInvalidPduField);
}

TEST_F(TextExchangeTest, StartsAnewWithTheReservedTag) {
  EXPECT_EQ(send(0x40, iscsi::kReservedTag, "SendTargets="), Step::kRespond);
  EXPECT_EQ(send_new(wire({"SendTargets="})), Step::kRespond);
  EXPECT_TRUE(final());
  EXPECT_EQ(pairs_of(answer()).size(), 2u);
}

TEST_F(TextExchangeTest, RefusesFinalAndContinueTogether) {
  expect_rejected(send(0xc0, iscsi::kReservedTag, ""), RejectReason::kProtocolError);
}

// --- Continued requests ---

TEST_F(TextExchangeTest, JoinsATextThatIsSplitAtAnyByte) {
  const std::string text = wire({"SendTargets=All"});
  for (size_t split = 0; split <= text.size(); ++split) {
    EXPECT_EQ(send(0x40, iscsi::kReservedTag, text.substr(0, split)), Step::kRespond);
    EXPECT_EQ(answer(), "");
    EXPECT_EQ(send(0x80, tag(), text.substr(split)), Step::kRespond);
    EXPECT_TRUE(final());
    EXPECT_EQ(pairs_of(answer()).size(), 2u);
  }
}

TEST_F(TextExchangeTest, EndsExchangesWithoutEnd) {
  for (const uint8_t flags : {0x00, 0x40}) {
    Step step = send(flags, iscsi::kReservedTag, "");
    int requests = 1;
    while (step == Step::kRespond && requests < 1000) {
      step = send(flags, tag(), "");
      ++requests;
    }
    expect_rejected(step, RejectReason::kProtocolError);
    EXPECT_EQ(requests, flags == 0 ? 65 : 17);
  }
  Step step = send(0x40, iscsi::kReservedTag, std::string(8192, 'x'));
  for (int i = 0; i < 10 && step == Step::kRespond; ++i)
    step = send(0x40, tag(), std::string(8192, 'x'));
  expect_rejected(step, RejectReason::kOutOfResources);
  expect_session_goes_on();
}

TEST_F(TextExchangeTest, RefusesMalformedAndRepeatedKeys) {
  for (const std::string& text : {std::string("SendTargets=All"), wire({"SendTargets"}),
                                  wire({std::string(64, 'k') + "=1"}), wire({"Foo=1", "Foo=1"})}) {
    expect_rejected(send_new(text), RejectReason::kProtocolError);
  }
  EXPECT_EQ(send(0, iscsi::kReservedTag, wire({"Foo=1"})), Step::kRespond);
  EXPECT_EQ(answer(), wire({"Foo=NotUnderstood"}));
  expect_rejected(send(0x80, tag(), wire({"Foo=1"})), RejectReason::kProtocolError);
  std::string many;
  for (int i = 0; i < 65; ++i)
    many += "K" + std::to_string(i) + "=" + '\0';
  expect_rejected(send_new(many), RejectReason::kProtocolError);
}

// --- Renegotiation, N-4 ---

TEST_F(TextExchangeTest, ChangesTheSendLimitWhenTheExchangeEnds) {
  parameters.max_send_data_segment_length = 8192;
  EXPECT_EQ(send(0, iscsi::kReservedTag, wire({"MaxRecvDataSegmentLength=512"})), Step::kRespond);
  EXPECT_EQ(parameters.max_send_data_segment_length, 8192u);
  EXPECT_EQ(send(0x80, tag(), ""), Step::kRespond);
  EXPECT_EQ(parameters.max_send_data_segment_length, 512u);
  EXPECT_EQ(send_new(wire({"MaxRecvDataSegmentLength=16777215"})), Step::kRespond);
  EXPECT_EQ(parameters.max_send_data_segment_length, 16777215u);
}

TEST_F(TextExchangeTest, KeepsTheTransportsSendLimit) {
  limits.max_send_data_segment_length = 4096;
  make();
  EXPECT_EQ(send_new(wire({"MaxRecvDataSegmentLength=65536"})), Step::kRespond);
  EXPECT_EQ(parameters.max_send_data_segment_length, 4096u);
}

TEST_F(TextExchangeTest, ForgetsADeclarationOfARejectedExchange) {
  EXPECT_EQ(send(0, iscsi::kReservedTag, wire({"MaxRecvDataSegmentLength=512"})), Step::kRespond);
  expect_rejected(send(0x80, tag(), "garbage"), RejectReason::kProtocolError);
  EXPECT_EQ(send_new(wire({"InitiatorAlias=x"})), Step::kRespond);
  EXPECT_EQ(parameters.max_send_data_segment_length, 8192u);
}

TEST_F(TextExchangeTest, RejectsKeysOfTheLoginPhase) {
  for (const KeyInfo& info : key_table()) {
    if (info.allows(kInFullFeature) && info.has(kByInitiator)) continue;
    expect_rejected(send_new(wire({std::string(info.name.data()) + "=1"})),
                    RejectReason::kProtocolError);
  }
  for (const char* bad : {"511", "16777216", "x", ""}) {
    expect_rejected(send_new(wire({std::string("MaxRecvDataSegmentLength=") + bad})),
                    RejectReason::kProtocolError);
  }
  EXPECT_EQ(send_new(wire({"TargetAlias=NotUnderstood"})), Step::kRespond);
  expect_session_goes_on();
}

// --- Long answers, N-3 ---

class LongListTest : public TextExchangeTest {
 protected:
  LongListTest() {
    directory.targets.clear();
    for (int i = 0; i < 1000; ++i) {
      std::string group = "PortalGroup=" + std::to_string(i % 65535 + 1) + "@192.0.2.1";
      for (int p = 2; p <= 16; ++p)
        group += ",192.0.2." + std::to_string(p);
      directory.targets.push_back(
          named_target("iqn.2026-11.org.example:" + std::to_string(i), {group}));
    }
    context.discovery_session = true;
    make();
  }
  // The joined answer, or as much of it as `max_parts` PDUs hold.
  std::string collect(const std::string& text, int max_parts = 1 << 30) {
    std::string joined;
    Step step = send_new(text);
    for (int part = 1; step == Step::kRespond; ++part) {
      joined += answer();
      if (final() || part == max_parts) break;
      EXPECT_TRUE(continued());
      step = send(0x80, tag(), "");
    }
    return joined;
  }
};

TEST_F(LongListTest, SendsAThousandTargetsInParts) {
  const std::string whole = collect(wire({"SendTargets=All"}));
  EXPECT_EQ(pairs_of(whole).size(), 17000u);
  EXPECT_EQ(directory.visits, 1);
  parameters.max_send_data_segment_length = 512;
  EXPECT_EQ(collect(wire({"SendTargets=All"})), whole);
  parameters.max_send_data_segment_length = 262144;
  EXPECT_EQ(collect(wire({"SendTargets=All"})), whole);
  EXPECT_EQ(collect(wire({"SendTargets=iqn.2026-11.org.example:999"})).substr(0, 42),
            "TargetName=iqn.2026-11.org.example:999" + std::string(1, '\0') + "Tar");
}

TEST_F(LongListTest, FreesAnAbandonedAnswer) {
  const uint64_t before = host_live_bytes();
  collect(wire({"SendTargets=All"}), 3);
  EXPECT_GT(host_live_bytes(), before + 100000);
  directory.targets.clear();
  const uint64_t without_targets = host_live_bytes();
  EXPECT_EQ(send(0x80, tag(), ""), Step::kRespond) << "the answer does not need the targets";
  exchange->reset();
  EXPECT_LT(host_live_bytes(), without_targets);
  EXPECT_FALSE(exchange->is_open());
  expect_rejected(send(0x80, tag(), ""), RejectReason::kInvalidPduField);
}

TEST_F(LongListTest, RefusesTextInTheMiddleOfAnAnswer) {
  collect(wire({"SendTargets=All"}), 1);
  expect_rejected(send(0x80, tag(), wire({"Foo=1"})), RejectReason::kProtocolError);
  collect(wire({"SendTargets=All"}), 1);
  expect_rejected(send(0x40, tag(), ""), RejectReason::kProtocolError);
}

TEST_F(LongListTest, HoldsTheEndBackWhileThePeerIsNotDone) {
  collect(wire({"SendTargets=All"}), 1);
  int parts = 1;
  while (continued() && parts++ < 100000)
    ASSERT_EQ(send(0, tag(), ""), Step::kRespond);
  EXPECT_FALSE(final());
  EXPECT_EQ(send(0x80, tag(), ""), Step::kRespond);
  EXPECT_TRUE(final());
  EXPECT_EQ(answer(), "");
}

TEST_F(LongListTest, RefusesAnAnswerBeyondItsLimit) {
  limits.max_answer_bytes = 100000;
  make();
  expect_rejected(send_new(wire({"SendTargets=All"})), RejectReason::kOutOfResources);
}

TEST_F(LongListTest, SurvivesEveryFailedAllocation) {
  bool succeeded = false;
  for (uint64_t n = 1; !succeeded && n < 100; ++n) {
    host_fail_allocation_at(n);
    const Step step = send_new(wire({"SendTargets=All"}));
    host_fail_allocation_at(0);
    succeeded = step == Step::kRespond;
    if (!succeeded) expect_rejected(step, RejectReason::kOutOfResources);
    exchange->reset();
  }
  EXPECT_TRUE(succeeded);
}

}  // namespace
}  // namespace chiscsi::test
