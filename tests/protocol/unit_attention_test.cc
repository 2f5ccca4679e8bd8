// SPDX-License-Identifier: GPL-2.0-only
//
// Unit attentions and asynchronous messages (SAM-5 section 5.14, RFC 7143 section 11.9): which
// command reports a condition, and what initiators hear of removal, reload and other logical units.
#include <gtest/gtest.h>

#include "protocol_fixture.hh"
#include "target/engine.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;

class UnitAttention : public ProtocolTest {
 protected:
  void log_in_both() {
    start();
    LoginOptions login;
    login.keys = {{"InitialR2T", "No"}};
    first = log_in(login);
    EXPECT_TRUE(driver.wait_for("session_added"));
    login.isid[5] = 2;
    second = log_in(login);
    EXPECT_TRUE(driver.wait_for("session_added", 2));  // last_session() is the second one's.
  }
  void reset_unit(uint64_t lun = 0) { EXPECT_EQ(first->task_management(5, kReservedTag, lun), 0); }
  Outcome ready(uint64_t lun = 0) { return second->no_data(test_unit_ready_cdb(), lun); }
  static ByteVector plain_cdb(uint8_t opcode) { return {opcode, 0, 0, 0, 18, 0}; }
  static bool is(const Outcome& outcome, uint8_t asc, uint8_t ascq) {
    return outcome.status == 2 && outcome.sense_key() == 6 && outcome.sense.size() >= 14 &&
           outcome.sense[12] == asc && outcome.sense[13] == ascq;
  }
  // What the control plane tells the newest session of other LUNs, the condition first. The engine
  // has no type information, which the sanitizer would ask for.
  __attribute__((no_sanitize("vptr"))) void tell_of_other_luns() {
    Ref<Session> session = Engine::instance().session_handles().find(driver.last_session());
    ASSERT_TRUE(session);
    session->attention_inbox.post_everywhere(kReportedLunsChanged);
    session->notices.post(Notice::kLunsChanged);
  }
  static std::optional<AsyncMessage> async(Initiator& peer, ByteVector* data = nullptr) {
    const auto pdu = peer.receive_opcode(Opcode::kAsyncMessage);
    if (!pdu) return {};
    if (data != nullptr) *data = pdu->data;
    return pdu->as<AsyncMessage>();
  }
  // The same target, reached by another portal group.
  int reload_with_tag(int tag) {
    set_key("PortalGroup", std::to_string(tag) + "@" + portal_address());
    return driver.reconfigure_target(kTargetName, target_keys());
  }
  std::unique_ptr<Initiator> first, second;
};

TEST_F(UnitAttention, IsNotReportedByCommandsThatAskAboutTheDevice) {
  log_in_both();
  reset_unit();
  EXPECT_TRUE(second->read(inquiry_cdb(36), 36).good());
  // The driver knows neither of the two, which is its own answer.
  for (const uint8_t opcode : {0x03, 0xa0})
    EXPECT_EQ(second->read(plain_cdb(opcode), 18).sense_key(), 5);
  EXPECT_EQ(driver.count("cdb"), 3u);
  EXPECT_TRUE(is(ready(), 0x29, 0x03));
  EXPECT_EQ(driver.count("cdb"), 3u);  // The driver has not seen that one.
  EXPECT_TRUE(ready().good());
}

TEST_F(UnitAttention, SeveralResetsAreReportedOnce) {
  log_in_both();
  for (int i = 0; i < 5; ++i)
    reset_unit();
  EXPECT_TRUE(is(ready(), 0x29, 0x03));
  EXPECT_TRUE(ready().good());
}

TEST_F(UnitAttention, ManyUnitsBecomeOneConditionForAll) {
  log_in_both();
  for (uint64_t lun = 0; lun < UnitAttentions::kPlaces + 1; ++lun)
    reset_unit(lun);
  for (const uint64_t lun : {0, 1, 2}) {
    EXPECT_TRUE(is(ready(lun), 0x29, 0x03));
    EXPECT_TRUE(ready(lun).good());
  }
}

TEST_F(UnitAttention, IsReportedByAWriteAfterItsUnsolicitedData) {
  log_in_both();
  reset_unit();
  const ByteVector data = pattern(8 * kBlock);
  const Outcome outcome = second->write(write10_cdb(0, 8), data, {1024, 3072, 1024});
  EXPECT_TRUE(is(outcome, 0x29, 0x03));
  EXPECT_EQ(outcome.residual, data.size());
  EXPECT_EQ(driver.count("cdb"), 0u);
  EXPECT_TRUE(second->write(write10_cdb(0, 8), data, {1024, 3072, 1024}).good());
  EXPECT_EQ(driver.content(0, 0, data.size()), data);
  EXPECT_CLEAN(*second);
}

TEST_F(UnitAttention, NewSessionOfAClassThatRunsEachCdbHasNone) {
  log_in_both();
  EXPECT_TRUE(ready().good());
  reset_unit();
  second->disconnect();
  EXPECT_TRUE(driver.wait_for("session_removed"));
  LoginOptions login;
  login.isid[5] = 2;
  second = log_in(login);
  EXPECT_TRUE(ready().good());
}

// ---- Asynchronous messages ----

TEST_F(UnitAttention, OtherLogicalUnitsAreAnnounced) {
  log_in_both();
  tell_of_other_luns();
  ByteVector data;
  const auto event = async(*second, &data);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->async_event, 0);
  ASSERT_EQ(data.size(), 20u);
  EXPECT_EQ(data[0] << 8 | data[1], 18);
  EXPECT_EQ(data[2], 0x70);
  EXPECT_EQ(data[4], 6);
  EXPECT_EQ(data[14], 0x3f);
  EXPECT_EQ(data[15], 0x0e);
  EXPECT_TRUE(is(ready(0), 0x3f, 0x0e));
  EXPECT_TRUE(is(ready(1), 0x3f, 0x0e));
  EXPECT_TRUE(ready(0).good());
  // Who asks for the list knows it.
  second->read(plain_cdb(0xa0), 18);
  EXPECT_TRUE(ready(2).good());
  EXPECT_TRUE(first->no_data(test_unit_ready_cdb()).good());
  EXPECT_CLEAN(*second);
}

TEST_F(UnitAttention, ReloadThatLeavesThePortalGroupIsNotAnnounced) {
  log_in_both();
  set_key("MaxBurstLength", "131072");
  ASSERT_EQ(driver.reconfigure_target(kTargetName, target_keys()), 0);
  EXPECT_TRUE(first->ping());
  EXPECT_TRUE(first->is_silent());
}

TEST_F(UnitAttention, ReloadWithoutThePortalGroupAsksForALogout) {
  log_in_both();
  ASSERT_EQ(reload_with_tag(2), 0);
  const auto event = async(*first);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->async_event, 1);
  EXPECT_EQ(event->parameter3.get(), 10);
  EXPECT_TRUE(first->no_data(test_unit_ready_cdb()).good());  // Until then it works.
  EXPECT_EQ(first->logout(), 0);
  EXPECT_TRUE(first->closed_by_target());
  auto again = log_in();
  EXPECT_TRUE(again->ping());
}

TEST_F(UnitAttention, InitiatorThatDoesNotLogOutIsDropped) {
  log_in_both();
  ASSERT_EQ(reload_with_tag(2), 0);
  const auto request = async(*first);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->async_event, 1);
  host_advance_clock(11 * 1000);
  const auto notice = async(*first);
  ASSERT_TRUE(notice);
  EXPECT_EQ(notice->async_event, 2);
  EXPECT_EQ(notice->parameter1.get(), 0);
  EXPECT_TRUE(first->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(UnitAttention, RemovalOfTheTargetIsAnnounced) {
  log_in_both();
  remove_target();
  for (Initiator* peer : {first.get(), second.get()}) {
    const auto event = async(*peer);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->async_event, 3);
    EXPECT_EQ(event->parameter2.get(), 2);
    EXPECT_EQ(event->parameter3.get(), 0);
    EXPECT_TRUE(peer->closed_by_target());
  }
}

TEST_F(UnitAttention, SessionThatTheDriverEndsIsTold) {
  log_in_both();
  ASSERT_EQ(chiscsi_target_session_abort(driver.last_session()), 0);
  const auto event = async(*second);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->async_event, 3);
  EXPECT_TRUE(second->closed_by_target());
  EXPECT_TRUE(first->ping());
}

}  // namespace
}  // namespace chiscsi::test
