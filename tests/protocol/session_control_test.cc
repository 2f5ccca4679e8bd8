// SPDX-License-Identifier: GPL-2.0-only
//
// What a storage driver does to targets and sessions of its own and of others (Guide 6.1, 7.3.4):
// ownership, and session aborts from every place that a driver may call from.
#include <atomic>
#include <thread>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;

// ---- Ownership ----

class TargetOwnership : public ProtocolTest {
 protected:
  int foreign_reconfigure() {
    std::string text;
    for (const std::string& line : target_keys())
      text.append(line).push_back('\0');
    return chiscsi_target_reconfig(&stranger, name, mutable_class, text.data(),
                                   static_cast<int>(text.size()));
  }
  int stranger = 0;
  char name[64] = "iqn.2026-11.org.example:target";
  char mutable_class[8] = "fake";
};

TEST_F(TargetOwnership, RemovalByAnotherOwnerIsNotPermitted) {
  auto initiator = start_and_log_in();
  EXPECT_EQ(chiscsi_target_remove(&stranger, name), -EPERM);
  EXPECT_EQ(chiscsi_target_remove(nullptr, name), -EPERM);
  EXPECT_TRUE(initiator->ping());
}

TEST_F(TargetOwnership, ReconfigurationByAnotherOwnerIsNotPermitted) {
  start();
  set_key("MaxBurstLength", "65536");
  EXPECT_EQ(foreign_reconfigure(), -EPERM);
  chiscsi_target_info info;
  ASSERT_EQ(chiscsi_get_target_info(name, &info), 0);
  EXPECT_EQ(info.sess_keys.max_burst, 262144u);
}

TEST_F(TargetOwnership, UnknownTargetIsNotFoundWhoeverAsks) {
  start();
  char nobody[] = "iqn.2026-11.org.example:nobody";
  EXPECT_EQ(chiscsi_target_remove(&driver, nobody), -ENOENT);
  EXPECT_EQ(chiscsi_target_remove(&stranger, nobody), -ENOENT);
  std::string text = "PortalGroup=1@127.0.0.1:1";
  EXPECT_EQ(chiscsi_target_reconfig(&driver, nobody, mutable_class, text.data(),
                                    static_cast<int>(text.size() + 1)),
            -ENOENT);
}

TEST_F(TargetOwnership, WrongClassIsABadArgument) {
  start();
  char other_class[] = "other";
  std::string text = "PortalGroup=1@127.0.0.1:1";
  EXPECT_EQ(chiscsi_target_reconfig(&driver, name, other_class, text.data(),
                                    static_cast<int>(text.size() + 1)),
            -EINVAL);
}

// ---- Registration ----

// Whatever the header calls mandatory.
TEST_F(TargetOwnership, LunClassWithoutAMandatoryHookIsRefused) {
  start();
  const auto set = [](chiscsi_target_lun_class& hooks) {
    hooks.fp_scsi_cmd_cdb_rcved = [](chiscsi_scsi_command*) { return 0; };
    hooks.fp_scsi_cmd_data_xfer_status = [](chiscsi_scsi_command*, unsigned char*, unsigned,
                                            unsigned, unsigned) { return 0; };
    hooks.fp_scsi_cmd_abort = [](chiscsi_scsi_command*) { return 0; };
    hooks.fp_tmf_execute = [](unsigned long, unsigned long, unsigned char, unsigned char, unsigned,
                              chiscsi_scsi_command*) { return 0; };
  };
  char lun_class_name[] = "OTHER";
  chiscsi_target_lun_class hooks = {};
  hooks.class_name = lun_class_name;
  const auto refused = [&](const char* missing) {
    EXPECT_EQ(chiscsi_target_lun_class_register(&hooks, mutable_class), -EINVAL) << missing;
    set(hooks);
  };
  set(hooks);
  hooks.fp_scsi_cmd_cdb_rcved = nullptr;
  refused("fp_scsi_cmd_cdb_rcved");
  hooks.fp_scsi_cmd_data_xfer_status = nullptr;
  refused("fp_scsi_cmd_data_xfer_status");
  hooks.fp_scsi_cmd_abort = nullptr;
  refused("fp_scsi_cmd_abort");
  hooks.fp_tmf_execute = nullptr;
  refused("fp_tmf_execute");
  hooks.class_name = nullptr;
  refused("class_name");
}

// ---- chiscsi_target_session_abort() ----

class SessionAbort : public ProtocolTest {
 protected:
  // The session ends, once, whatever the initiator does; nothing of it is left.
  void expect_end(Initiator& initiator) {
    EXPECT_TRUE(initiator.closed_by_target());
    EXPECT_TRUE(driver.wait_for("session_removed"));
    EXPECT_EQ(driver.count("session_removed"), 1u);
    EXPECT_EQ(chiscsi_target_session_abort(driver.last_session()), -ESTALE);
  }
  static unsigned long session_of(const chiscsi_scsi_command* command) {
    return reinterpret_cast<unsigned long>(command->sc_sess);
  }
  std::atomic<int> result{1};
};

TEST_F(SessionAbort, EndsTheSession) {
  auto initiator = start_and_log_in();
  // The hook may come after the login response.
  ASSERT_TRUE(driver.wait_for("session_added"));
  EXPECT_EQ(chiscsi_target_session_abort(driver.last_session()), 0);
  expect_end(*initiator);
}

TEST_F(SessionAbort, StaleHandleIsRefused) {
  auto initiator = start_and_log_in();
  ASSERT_TRUE(driver.wait_for("session_added"));
  const unsigned long handle = driver.last_session();
  for (const unsigned long wrong : {0ul, handle + 1, handle + 256, ~0ul})
    EXPECT_EQ(chiscsi_target_session_abort(wrong), -ESTALE);
  EXPECT_TRUE(initiator->ping());
  EXPECT_EQ(initiator->logout(), 0);
  ASSERT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(chiscsi_target_session_abort(handle), -ESTALE);
  // Nor does it hit the session that comes after it.
  auto next = log_in();
  EXPECT_EQ(chiscsi_target_session_abort(handle), -ESTALE);
  EXPECT_TRUE(next->ping());
}

TEST_F(SessionAbort, MayBeAskedForTwice) {
  auto initiator = start_and_log_in();
  ASSERT_TRUE(driver.wait_for("session_added"));
  EXPECT_EQ(chiscsi_target_session_abort(driver.last_session()), 0);
  const int again = chiscsi_target_session_abort(driver.last_session());
  EXPECT_TRUE(again == 0 || again == -ESTALE) << again;
  expect_end(*initiator);
}

TEST_F(SessionAbort, FromTheHookThatAddsTheSession) {
  driver.on_session_added = [this](unsigned long session) {
    result = chiscsi_target_session_abort(session);
  };
  auto initiator = start_and_log_in();
  expect_end(*initiator);
  EXPECT_EQ(result, 0);
}

TEST_F(SessionAbort, FromTheHookThatRemovesItFindsItGone) {
  driver.on_session_removed = [this](unsigned long session) {
    result = chiscsi_target_session_abort(session);
  };
  auto initiator = start_and_log_in();
  ASSERT_TRUE(driver.wait_for("session_added"));
  EXPECT_EQ(initiator->logout(), 0);
  expect_end(*initiator);
  EXPECT_EQ(result, -ESTALE);
}

// The command that brought it is with the driver: it gets an abort like every other.
TEST_F(SessionAbort, FromTheHookOfACommand) {
  driver.on_command = [this](chiscsi_scsi_command* command) {
    driver.hold(true);
    const int rc = driver.run_command(command);
    result = chiscsi_target_session_abort(session_of(command));
    return rc;
  };
  auto initiator = start_and_log_in();
  ASSERT_TRUE(initiator->send(initiator->make_command(read10_cdb(0, 1), kBlock, kCommandRead)));
  expect_end(*initiator);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(driver.count("abort session"), 1u);
  EXPECT_EQ(driver.count("cleanup"), 1u);
}

TEST_F(SessionAbort, FromTheHookOfACommandThatIsRefused) {
  driver.on_command = [this](chiscsi_scsi_command* command) {
    result = chiscsi_target_session_abort(session_of(command));
    return -EBUSY;
  };
  auto initiator = start_and_log_in();
  ASSERT_TRUE(initiator->send(initiator->make_command(test_unit_ready_cdb(), 0, 0)));
  expect_end(*initiator);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(driver.count("cleanup"), 1u);
}

TEST_F(SessionAbort, FromTheHookThatGivesABufferBack) {
  driver.on_transferred = [this](chiscsi_scsi_command* command) {
    int first = 1;
    result.compare_exchange_strong(first, chiscsi_target_session_abort(session_of(command)));
  };
  auto initiator = start_and_log_in();
  ASSERT_TRUE(initiator->send(initiator->make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead)));
  expect_end(*initiator);
  EXPECT_EQ(result, 0);
}

// Next to the final status, from a thread or in softirq.
TEST_F(SessionAbort, FromACompletion) {
  for (const Answers how : {Answers::kThread, Answers::kSoftirq}) {
    driver.answers = how;
    std::atomic<int> aborted{1};
    driver.on_command = [&](chiscsi_scsi_command* command) {
      const unsigned long session = session_of(command);
      const int rc = driver.run_command(command);
      std::thread([&, session, how] {
        if (how == Answers::kSoftirq) {
          HostAtomicSection softirq;
          aborted = chiscsi_target_session_abort(session);
        } else {
          aborted = chiscsi_target_session_abort(session);
        }
      }).join();
      return rc;
    };
    if (how == Answers::kThread) start();
    const size_t removed = driver.count("session_removed");
    auto initiator = log_in();
    initiator->send(initiator->make_command(read10_cdb(0, 64), 64 * kBlock, kCommandRead));
    EXPECT_TRUE(initiator->closed_by_target());
    EXPECT_TRUE(driver.wait_for("session_removed", removed + 1));
    EXPECT_EQ(aborted, 0);
    EXPECT_EQ(driver.count("cleanup"), driver.count("cdb"));
  }
}

// Other sessions of the same worker and target go on.
TEST_F(SessionAbort, LeavesOtherSessionsAlone) {
  options.workers = 1;
  auto first = start_and_log_in();
  ASSERT_TRUE(driver.wait_for("session_added"));
  const unsigned long handle = driver.last_session();
  LoginOptions login;
  login.isid[5] = 7;
  auto second = log_in(login);
  ASSERT_TRUE(driver.wait_for("session_added", 2));
  EXPECT_EQ(chiscsi_target_session_abort(handle), 0);
  EXPECT_TRUE(first->closed_by_target());
  EXPECT_TRUE(second->no_data(test_unit_ready_cdb()).good());
}

}  // namespace
}  // namespace chiscsi::test
