// SPDX-License-Identifier: GPL-2.0-only
//
// LunChange: which hooks come in which order, and that a refusal of any of them leaves everything
// as it was.
#include "target/lun/lun_change.hh"

#include "lun_fixture.hh"

namespace chiscsi::test {
namespace {

class LunChangeTest : public LunFixture {};

TEST_F(LunChangeTest, ReadsAllOptionsBeforeItAttachesAnything) {
  ASSERT_TRUE(change_to({"a,FULL", "b,BARE", "c,KEEP"}).is_ok());
  EXPECT_EQ(calls(), (Calls{"parse a", "parse c", "attach a", "attach b", "attach c"}));
  EXPECT_EQ(device_at(0), "a");
  EXPECT_EQ(device_at(1), "b");
  EXPECT_EQ(device_at(2), "c");
  EXPECT_EQ(device_at(3), "");
  EXPECT_EQ(target_class->luns_open.load(), 3u);
}

TEST_F(LunChangeTest, FlushesBeforeItDetaches) {
  ASSERT_TRUE(change_to({"a,FULL", "b,BARE"}).is_ok());
  calls();
  LunChange::close_all(*target);
  EXPECT_EQ(calls(), (Calls{"flush a", "detach a", "detach b"}));
  ASSERT_TRUE(change_to({"a,FULL"}).is_ok());
}

TEST_F(LunChangeTest, DetachesAlsoWhenTheFlushFails) {
  ASSERT_TRUE(change_to({"a,FULL"}).is_ok());
  fail = "flush a";
  HostLogCapture log;
  ASSERT_TRUE(change_to({"b,FULL"}).is_ok());
  EXPECT_TRUE(log.contains("flush before detach failed"));
  EXPECT_EQ(calls(), (Calls{"parse a", "attach a", "parse b", "attach b", "flush a", "detach a"}));
}

TEST_F(LunChangeTest, WithoutLinesTheFirstClassServesAllNumbers) {
  ASSERT_TRUE(change_to({}).is_ok());
  const Ref<LunMap> luns = map();
  EXPECT_FALSE(luns->is_listed());
  ASSERT_NE(luns->find(0), nullptr);
  EXPECT_EQ(luns->find(0), luns->find(0xffffffff));
  EXPECT_EQ(luns->find(7)->class_index(), 0u);
  EXPECT_EQ(luns->find(7)->handle.value, 0u);
  EXPECT_TRUE(calls().empty());
}

TEST_F(LunChangeTest, WithoutLinesTheFirstClassHasToTakeAllCommands) {
  lun_classes[0].property = 0;
  HostLogCapture log;
  EXPECT_EQ(change_to({}).error(), Error::kInvalid);
  EXPECT_TRUE(log.contains("has to take all commands"));
  EXPECT_TRUE(change_to({"a,FULL"}).is_ok());
}

TEST_F(LunChangeTest, ALineWithoutTypeWordGoesToTheFirstClass) {
  ASSERT_TRUE(change_to({"a"}).is_ok());
  EXPECT_EQ(map()->find(0)->class_index(), 0u);
}

TEST_F(LunChangeTest, ALineWithoutTypeWordGoesToFileWhereThatExists) {
  lun_classes[1].class_name = const_cast<char*>("FILE");
  ASSERT_TRUE(change_to({"a", "b,FULL"}).is_ok());
  EXPECT_EQ(map()->find(0)->class_index(), 1u);
  EXPECT_EQ(map()->first_of_class(0), map()->find(1));
}

TEST_F(LunChangeTest, RefusesALineThatNoClassCanServe) {
  HostLogCapture log;
  EXPECT_EQ(change_to({"a,FULL", "b,OTHER"}).error(), Error::kInvalid);
  EXPECT_TRUE(log.contains("no LUN class of the target has this name"));
  EXPECT_EQ(change_to({"a,BARE,fast=1"}).error(), Error::kInvalid);
  EXPECT_TRUE(log.contains("unknown option"));
  lun_classes[2].fp_detach = nullptr;
  EXPECT_EQ(change_to({"a,BARE"}).error(), Error::kInvalid);
  EXPECT_TRUE(log.contains("no fp_attach and fp_detach"));
  EXPECT_TRUE(calls().empty());
  EXPECT_TRUE(change_to({"a,FULL,fast=1"}).is_ok());
}

TEST_F(LunChangeTest, SaysWhyAHookRefused) {
  fail = "attach a";
  HostLogCapture log;
  EXPECT_EQ(change_to({"a,FULL,fast"}).error(), Error::kIo);
  EXPECT_TRUE(log.contains("TargetDevice: \"a,FULL,fast\""));
  EXPECT_TRUE(log.contains("not attached by LUN class FULL, error 5: out of?%s order"));
}

// Whatever is refused, what the class has accepted it gets back, and nothing else.
TEST_F(LunChangeTest, ARefusedStartLeavesNothingBehind) {
  const struct {
    const char* failing;
    Calls expected;
  } kCases[] = {
      {"parse a", {"parse a"}},
      {"parse b", {"parse a", "parse b", "detach a"}},
      {"attach a", {"parse a", "parse b", "attach a", "detach b", "detach a"}},
      {"attach b",
       {"parse a", "parse b", "attach a", "attach b", "detach b", "flush a", "detach a"}},
      {"attach c",
       {"parse a", "parse b", "attach a", "attach b", "attach c", "flush b", "detach b", "flush a",
        "detach a"}},
  };
  HostLogCapture log;
  for (const auto& one : kCases) {
    fail = one.failing;
    EXPECT_EQ(change_to({"a,FULL", "b,FULL", "c,BARE"}).error(), Error::kIo) << one.failing;
    EXPECT_EQ(calls(), one.expected) << one.failing;
    EXPECT_EQ(target_class->luns_open.load(), 0u);
    EXPECT_FALSE(map()->is_listed());
  }
}

TEST_F(LunChangeTest, WhatStaysMovesToANewHandle) {
  ASSERT_TRUE(change_to({"a,FULL", "b,FULL"}).is_ok());
  const unsigned long before = map()->find(0)->handle.value;
  calls();
  ASSERT_TRUE(change_to({"a,FULL,RO", "c,FULL"}).is_ok());
  EXPECT_EQ(calls(), (Calls{"parse a", "parse c", "attach c", "reattach a", "detach a", "flush b",
                            "detach b"}));
  EXPECT_NE(map()->find(0)->handle.value, before);
  EXPECT_TRUE(map()->find(0)->is_read_only());
  EXPECT_FALSE(handles.find(before));
}

TEST_F(LunChangeTest, WhatStaysMayGetAnotherNumber) {
  ASSERT_TRUE(change_to({"a,FULL", "b,FULL", "c,FULL"}).is_ok());
  calls();
  ASSERT_TRUE(change_to({"c,FULL", "b,FULL"}).is_ok());
  EXPECT_EQ(calls(), (Calls{"parse c", "parse b", "reattach c", "reattach b", "flush a", "detach a",
                            "detach b", "detach c"}));
  EXPECT_EQ(device_at(0), "c");
}

TEST_F(LunChangeTest, AnotherClassForTheSameDeviceIsAnotherLun) {
  ASSERT_TRUE(change_to({"a,FULL"}).is_ok());
  calls();
  ASSERT_TRUE(change_to({"a,KEEP"}).is_ok());
  EXPECT_EQ(calls(), (Calls{"parse a", "attach a", "flush a", "detach a"}));
}

TEST_F(LunChangeTest, WithoutReattachTheSameLineKeepsItsHandle) {
  ASSERT_TRUE(change_to({"a,KEEP", "b,KEEP"}).is_ok());
  const unsigned long handle = map()->find(1)->handle.value;
  calls();
  ASSERT_TRUE(change_to({"b,KEEP", "c,KEEP"}).is_ok());
  EXPECT_EQ(calls(), (Calls{"parse c", "attach c", "flush a", "detach a"}));
  EXPECT_EQ(map()->find(0)->handle.value, handle);
  // Another line is another LUN.
  ASSERT_TRUE(change_to({"b,KEEP,RO", "c,KEEP"}).is_ok());
  EXPECT_EQ(calls(), (Calls{"parse b", "attach b", "flush b", "detach b"}));
}

TEST_F(LunChangeTest, TheSameDeviceTwiceIsTwoLuns) {
  ASSERT_TRUE(change_to({"a,FULL", "a,FULL"}).is_ok());
  calls();
  ASSERT_TRUE(change_to({"a,FULL", "a,FULL", "a,FULL"}).is_ok());
  EXPECT_EQ(calls(), (Calls{"parse a", "parse a", "parse a", "attach a", "reattach a", "reattach a",
                            "detach a", "detach a"}));
}

TEST_F(LunChangeTest, ARefusedReloadHandsEveryDeviceBack) {
  ASSERT_TRUE(change_to({"a,FULL", "b,FULL", "c,KEEP"}).is_ok());
  const Ref<LunMap> before = map();
  calls();
  HostLogCapture log;
  fail = "reattach b";
  EXPECT_EQ(change_to({"a,FULL", "b,FULL", "c,KEEP", "d,FULL"}).error(), Error::kIo);
  EXPECT_EQ(calls(), (Calls{"parse a", "parse b", "parse d", "attach d", "reattach a", "reattach b",
                            "reattach a", "flush d", "detach d", "detach b", "detach a"}));
  EXPECT_EQ(map().get(), before.get());
  fail = "attach d";
  EXPECT_EQ(change_to({"a,FULL", "d,FULL"}).error(), Error::kIo);
  EXPECT_EQ(calls(), (Calls{"parse a", "parse d", "attach d", "detach d", "detach a"}));
  EXPECT_EQ(map().get(), before.get());
  // The devices are still open: they are flushed at the end.
  LunChange::close_all(*target);
  EXPECT_EQ(calls(), (Calls{"flush a", "detach a", "flush b", "detach b", "flush c", "detach c"}));
  fail.clear();
  ASSERT_TRUE(change_to({"a,FULL"}).is_ok());
}

TEST_F(LunChangeTest, WhatIsNotCommittedIsUndone) {
  ASSERT_TRUE(change_to({"a,FULL"}).is_ok());
  calls();
  const Ref<LunMap> before = map();
  {
    Ref<TargetSettings> settings = settings_of({"a,FULL", "b,FULL"});
    LunChange change(*target, handles);
    ASSERT_TRUE(change.prepare(*settings).is_ok());
    EXPECT_EQ(map().get(), before.get());
  }
  EXPECT_EQ(calls(), (Calls{"parse a", "parse b", "attach b", "reattach a", "reattach a", "flush b",
                            "detach b", "detach a"}));
}

TEST_F(LunChangeTest, ALunWithACommandIsClosedByTheLastOneOut) {
  ASSERT_TRUE(change_to({"a,FULL", "b,FULL"}).is_ok());
  const Ref<LunMap> before = map();
  Lun& busy = *before->find(0);
  ASSERT_TRUE(busy.enter());
  ASSERT_TRUE(busy.enter());
  calls();
  ASSERT_TRUE(change_to({"b,FULL"}).is_ok());
  EXPECT_EQ(calls(), (Calls{"parse b", "reattach b", "detach b"}));
  EXPECT_FALSE(busy.enter());
  busy.leave();
  EXPECT_TRUE(calls().empty());
  EXPECT_EQ(target_class->luns_open.load(), 2u);
  EXPECT_FALSE(busy.leave());
  EXPECT_EQ(calls(), (Calls{"flush a", "detach a"}));
  EXPECT_EQ(target_class->luns_open.load(), 1u);
}

TEST_F(LunChangeTest, SurvivesEveryFailedAllocation) {
  ASSERT_TRUE(change_to({"a,FULL", "k,KEEP"}).is_ok());
  HostLogCapture log;
  for (uint64_t n = 1;; ++n) {
    ASSERT_LT(n, 200u);
    Ref<TargetSettings> settings = settings_of({"b,FULL", "a,FULL", "c,BARE", "k,KEEP"});
    const Ref<LunMap> before = map();
    LunChange change(*target, handles);
    host_fail_allocation_at(n);
    const Status status = change.prepare(*settings);
    host_fail_allocation_at(0);
    if (status.is_ok()) {
      change.commit(settings);
      change.close_leavers(0);
      break;
    }
    EXPECT_EQ(status.error(), Error::kNoMemory);
    EXPECT_EQ(map().get(), before.get());
  }
  EXPECT_EQ(device_at(1), "a");
}

}  // namespace
}  // namespace chiscsi::test
