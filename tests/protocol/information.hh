// SPDX-License-Identifier: GPL-2.0-only
//
// What the tests of the information calls share: the calls with their answers, and sessions of an
// initiator that the driver has heard of.
#pragma once

#include <arpa/inet.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "memory_transport.hh"
#include "protocol_fixture.hh"

namespace chiscsi::test {

inline constexpr char kInitiatorName[] = "iqn.2026-11.org.example:initiator";

// The address of the target's portals.
inline const char* here() {
  return MemoryTransport::chosen() ? MemoryTransport::kAddress : "127.0.0.1";
}

inline char* mutable_text(const char* text) { return const_cast<char*>(text); }

// The answer and its value.
template <typename T>
struct Answer {
  int rc = 1;
  T info;
  Answer() { memset(static_cast<void*>(&info), 0xa5, sizeof(info)); }
};

inline Answer<chiscsi_target_info> target_info(const char* name = kTargetName) {
  Answer<chiscsi_target_info> answer;
  answer.rc = chiscsi_get_target_info(mutable_text(name), &answer.info);
  return answer;
}

inline Answer<chiscsi_connection_info> connection_info(unsigned long session, int index = 0) {
  Answer<chiscsi_connection_info> answer;
  answer.rc = chiscsi_get_connection_info(session, index, &answer.info);
  return answer;
}

inline Answer<chiscsi_perf_info> portal_info(const char* address, unsigned port) {
  Answer<chiscsi_perf_info> answer;
  unsigned words[4] = {};
  const bool ipv6 = strchr(address, ':') != nullptr;
  EXPECT_EQ(inet_pton(ipv6 ? AF_INET6 : AF_INET, address, words), 1);
  answer.rc = chiscsi_get_perf_info(ipv6, words, port, &answer.info);
  return answer;
}

inline void expect_traffic(const chiscsi_perf_info& info, unsigned long read_bytes,
                           unsigned long write_bytes, unsigned long reads, unsigned long writes) {
  EXPECT_EQ(info.read_bytes, read_bytes);
  EXPECT_EQ(info.write_bytes, write_bytes);
  EXPECT_EQ(info.read_cmd_cnt, reads);
  EXPECT_EQ(info.write_cmd_cnt, writes);
}

// Whether it comes true before a limit that only catches hangs.
inline bool eventually(const std::function<bool()>& holds) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::yield();
  }
  return true;
}

class InformationProtocol : public ProtocolTest {
 protected:
  // All sessions of an initiator.
  std::vector<chiscsi_session_info> sessions(const char* initiator = kInitiatorName) {
    std::vector<chiscsi_session_info> list(8);
    const int count = chiscsi_get_session_info(mutable_text(kTargetName), mutable_text(initiator),
                                               static_cast<int>(list.size()), list.data());
    EXPECT_GE(count, 0);
    list.resize(static_cast<size_t>(count > 0 ? count : 0));
    return list;
  }
  // A session that the driver has heard of, so that it is in full feature phase here, too.
  std::unique_ptr<Initiator> log_in_and_settle(const LoginOptions& login = {}) {
    const size_t before = driver.count("session_added");
    auto initiator = log_in(login);
    EXPECT_TRUE(driver.wait_for("session_added", before + 1));
    return initiator;
  }
  std::string portal(const char* address) const {
    return "1@" + std::string(address) + ":" + std::to_string(port);
  }
};

}  // namespace chiscsi::test
