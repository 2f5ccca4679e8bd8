// SPDX-License-Identifier: GPL-2.0-only
//
// The target class of ifacedriver: who may log in, with which secrets, and what its sessions have
// still to hear.
#include <gtest/gtest.h>

#include "fake_host.hh"

#include "../../../api-ddk/iface_sessions.cc"
#include "../../../api-ddk/iface_target_class.cc"

namespace {

char class_name[] = "test";
char initiator[] = "iqn.1994-05.org.example:host";
char target[] = "iqn.2026-11.org.example:t";

class IfaceTargetClass : public ::testing::Test {
 protected:
  IfaceTargetClass() {
    EXPECT_EQ(iface::sessions_create(), 0);
    std::strcpy(config_.init_name, initiator);
    config_.acl = true;
    config_.max_cmd = 32;
    chiscsi_target_class_register(&iface::target_class(config_));
  }
  ~IfaceTargetClass() override {
    chiscsi_target_class_deregister(class_name);
    iface::sessions_destroy();
  }
  static unsigned long add(unsigned long handle) {
    unsigned char isid[6] = {};
    return registered_target->fp_session_added(handle, isid, initiator, target);
  }
  static void remove(unsigned long handle) {
    registered_target->fp_session_removed(handle, initiator, target);
  }

  iface::Config config_;
  char stranger_[32] = "iqn.1994-05.org.example:other";
};

TEST_F(IfaceTargetClass, OnlyTheNamedInitiatorSeesTheTargetAndLogsIn) {
  registered_target->fp_first_login_check(1, initiator, target, nullptr);
  EXPECT_EQ(login_class, 0);
  EXPECT_EQ(login_max_cmd, 32u);
  registered_target->fp_first_login_check(1, stranger_, target, nullptr);
  EXPECT_EQ(login_class, ISCSI_LOGIN_STATUS_CLASS_INITIATOR_ERROR);
  EXPECT_EQ(login_detail, ISCSI_LOGIN_STATUS_DETAIL_NO_PERMS);
  registered_target->fp_login_stage_check(1, ISCSI_LOGIN_STAGE_SECURITY, initiator, target,
                                          nullptr);
  EXPECT_EQ(login_class, 0);
  registered_target->fp_login_stage_check(1, 1, stranger_, target, nullptr);
  EXPECT_EQ(login_class, ISCSI_LOGIN_STATUS_CLASS_INITIATOR_ERROR);
  EXPECT_EQ(registered_target->fp_discovery_target_accessible(1, initiator, target, nullptr), 1);
  EXPECT_EQ(registered_target->fp_discovery_target_accessible(1, stranger_, target, nullptr), 0);
}

TEST_F(IfaceTargetClass, SessionsGetDistinctNumbersFromOne) {
  const unsigned long first = add(7);
  EXPECT_NE(first, 0u);
  EXPECT_EQ(add(8), first + 1);
}

TEST_F(IfaceTargetClass, AttentionsAreForEachUnitAndEachSessionButTheAuthor) {
  const unsigned long author = add(7), one = add(8), two = add(9);
  EXPECT_TRUE(iface::attentions_raise(0, author));
  EXPECT_TRUE(iface::attentions_raise(iface::kMaxLuns - 1, one));
  EXPECT_FALSE(iface::attentions_pending(0, author));
  EXPECT_TRUE(iface::attentions_pending(iface::kMaxLuns - 1, author));
  EXPECT_FALSE(iface::attentions_pending(iface::kMaxLuns - 1, one));
  EXPECT_FALSE(iface::attentions_pending(1, two));
  EXPECT_TRUE(iface::attentions_clear(0, one));  // the other one has still to hear
  EXPECT_FALSE(iface::attentions_pending(0, one));
  EXPECT_FALSE(iface::attentions_clear(0, two));
  EXPECT_TRUE(iface::attentions_pending(iface::kMaxLuns - 1, two));
}

TEST_F(IfaceTargetClass, NobodyIsLeftToHearWhenTheSessionsHaveEnded) {
  const unsigned long author = add(7), other = add(8);
  remove(8);
  remove(8);  // harmless
  EXPECT_FALSE(iface::attentions_raise(0, author));
  EXPECT_FALSE(iface::attentions_pending(0, other));
  EXPECT_FALSE(iface::attentions_clear(0, other));
}

TEST_F(IfaceTargetClass, ASessionWithoutMemoryHasANumberAndHearsNothing) {
  allocations_left = 0;
  const unsigned long poor = add(7);
  allocations_left = -1;
  EXPECT_EQ(os_log, "no memory: a session will not hear of mode parameters");
  const unsigned long author = add(8);
  EXPECT_EQ(author, poor + 1);
  EXPECT_FALSE(iface::attentions_raise(0, author));
  EXPECT_FALSE(iface::attentions_pending(0, poor));
  remove(7);
  allocations_left = 0;
  iface::sessions_destroy();
  EXPECT_EQ(iface::sessions_create(), iface::kEnomem);
  allocations_left = -1;
}

TEST_F(IfaceTargetClass, ChapSecretsAreGivenToTheRightNameOnly) {
  config_.chap = config_.chap_mutual = config_.chap_mutual_required = true;
  std::strcpy(config_.initiator.name, "user");
  std::memcpy(config_.initiator.secret, "0123456789abcdef", 16);
  config_.initiator.secret_length = 16;
  std::strcpy(config_.target.name, "disk");
  std::memcpy(config_.target.secret, "fedcba987654", 12);
  config_.target.secret_length = 12;

  chap_info chap{};
  chap.flag = CHAP_FLAG_REMOTE_NAME_VALID;
  std::strcpy(reinterpret_cast<char*>(chap.remote_name), "user");
  registered_target->fp_chap_info_get(initiator, target, &chap);
  EXPECT_EQ(chap.flag, 0x1f);
  EXPECT_EQ(chap.remote_secret_length, 16);
  EXPECT_EQ(chap.local_secret_length, 12);
  EXPECT_STREQ(reinterpret_cast<char*>(chap.local_name), "disk");

  chap_info other{};
  std::strcpy(reinterpret_cast<char*>(other.remote_name), "users");
  registered_target->fp_chap_info_get(initiator, target, &other);
  EXPECT_EQ(other.flag, 0);
}

}  // namespace
