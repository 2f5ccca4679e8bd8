// SPDX-License-Identifier: GPL-2.0-only
//
// The trace points of the POSIX port: who listens, and what the ring keeps.
#include "os/trace.h"

#include <gtest/gtest.h>

#include "host.hh"

TEST(OsTrace, IsWantedWhileSomebodyListens) {
  EXPECT_FALSE(os_trace_wanted());
  {
    HostTrace trace;
    EXPECT_TRUE(os_trace_wanted());
    HostTrace second;
    EXPECT_TRUE(os_trace_wanted());
  }
  EXPECT_FALSE(os_trace_wanted());
}

TEST(OsTrace, KeepsWhatWasSaid) {
  HostTrace trace;
  os_trace_command_received(7, 0x1234, 99, 3, 0x28, 4096);
  os_trace_command_data(OS_TRACE_R2T, 7, 0x1234, 512, 1024);
  os_trace_command_state(7, 0x1234, "ready", "at_driver");
  const auto events = trace.events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].name, "cmd_received");
  EXPECT_EQ(events[0].session, 7u);
  EXPECT_EQ(events[0].itt, 0x1234u);
  EXPECT_EQ(events[0].text, "cmd_sn=99 lun=3 opcode=0x28 length=4096");
  EXPECT_EQ(events[1].text, "offset=512 length=1024");
  EXPECT_EQ(events[2].text, "ready -> at_driver");
}

TEST(OsTrace, ForgetsTheOldestFirst) {
  HostTrace trace;
  for (uint32_t i = 0; i < 5000; ++i)
    os_trace_command_step(OS_TRACE_DELIVERED, 1, i);
  const auto events = trace.events();
  ASSERT_EQ(events.size(), 4096u);
  EXPECT_EQ(events.front().itt, 5000u - 4096u);
  EXPECT_EQ(events.back().itt, 4999u);
}

TEST(OsTrace, MayBeCalledInAtomicContext) {
  HostTrace trace;
  HostAtomicSection softirq;
  os_trace_command_step(OS_TRACE_CLEANED_UP, 1, 2);
  EXPECT_EQ(trace.names_for(2), std::vector<std::string>{"cmd_cleanup"});
}
