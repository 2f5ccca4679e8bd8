// SPDX-License-Identifier: GPL-2.0-only
//
// Log and random numbers of the POSIX port.
#include "os/log.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "host.hh"

namespace {

TEST(OsLog, LinesCanBeCaptured) {
  const HostLogCapture capture;
  os_log(OS_LOG_DEBUG, "number %d", 7);
  os_log_limited(OS_LOG_ERROR, "%.*s", 3, "limited");
  ASSERT_EQ(capture.lines().size(), 2u);
  EXPECT_EQ(capture.lines()[0], "number 7");
  EXPECT_EQ(capture.lines()[1], "lim");
  EXPECT_TRUE(capture.contains("ber 7"));
  EXPECT_FALSE(capture.contains("limited"));
}

TEST(OsLog, CaptureStartsEmpty) {
  {
    const HostLogCapture capture;
    os_log(OS_LOG_DEBUG, "old");
  }
  const HostLogCapture capture;
  EXPECT_TRUE(capture.lines().empty());
}

TEST(OsLog, ThreadsMayLogAtTheSameTime) {
  const HostLogCapture capture;
  std::thread other([] {
    for (int i = 0; i < 100; ++i)
      os_log(OS_LOG_INFO, "other");
  });
  for (int i = 0; i < 100; ++i)
    os_log(OS_LOG_INFO, "this");
  other.join();
  EXPECT_EQ(capture.lines().size(), 200u);
}

TEST(OsRandom, FillsAllOfTheBuffer) {
  unsigned char seen[64] = {};
  for (int round = 0; round < 20; ++round) {
    unsigned char buffer[64];
    os_random(buffer, sizeof(buffer));
    for (size_t i = 0; i < sizeof(buffer); ++i)
      seen[i] |= buffer[i];
  }
  for (unsigned char byte : seen)
    EXPECT_NE(byte, 0);
}

}  // namespace
