// SPDX-License-Identifier: GPL-2.0-only
//
// What an idle session holds. The kernel hands out memory in powers of two, so one byte too many
// doubles what an object takes.
#include <gtest/gtest.h>

#include "target/session/session.hh"
#include "transport/tcp_conn.hh"

namespace chiscsi::test {
namespace {

TEST(SessionSizeTest, ASessionIsAtMostAPage) { EXPECT_LE(sizeof(Session), 4096u); }

TEST(SessionSizeTest, AConnectionIsAtMostHalfOfAPage) { EXPECT_LE(sizeof(TcpConn), 2048u); }

}  // namespace
}  // namespace chiscsi::test
