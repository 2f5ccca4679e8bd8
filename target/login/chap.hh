// SPDX-License-Identifier: GPL-2.0-only
//
// CHAP, our side of it: RFC 1994 as RFC 7143 sections 9.2.1 and 12.1.3 use it.
//
// ChapExchange takes the initiator's keys step by step and writes ours. Each step has its keys, and
// a key out of its step ends the login. Secrets are compared in constant time, an unknown name
// costs the same work as a wrong secret, and neither a reflected challenge nor one secret for both
// directions gets through. Runs on the login thread.
#pragma once

#include <cstdint>

#include "base/list.hh"
#include "base/own_ptr.hh"
#include "base/span.hh"
#include "base/text.hh"
#include "os/digest.h"
#include "target/config/auth_settings.hh"
#include "target/login/login_verdict.hh"
#include "target/login/text_codec.hh"

namespace chiscsi {

// Who a peer says it is, looked up. The secrets stay with their owner.
struct ChapCredentials {
  bool known = false;  // The name has an account: remote_secret counts.
  Bytes remote_secret;
  Text local_name;  // Empty: we have no account for mutual CHAP.
  Bytes local_secret;
  bool mutual_required = false;
};

// The challenges that are out, not yet answered, on all connections of a login thread; used by that
// thread alone. Keeps none of them alive.
class ChallengeRegistry {
 public:
  struct Entry {
    ListNode node;
    Bytes challenge;
  };
  void add(Entry& entry) { entries_.push_back(entry); }
  // True when `challenge` is one of ours. Costs a walk over the logins in flight.
  bool contains(Bytes challenge);

 private:
  List<Entry, &Entry::node> entries_;
};

class ChapExchange {
 public:
  enum class State : uint8_t {
    kUnused,          // CHAP was not chosen.
    kAwaitAlgorithm,  // CHAP_A is due.
    kAwaitResponse,   // CHAP_N and CHAP_R are due.
    kSucceeded,
    kFailed,
  };

  explicit ChapExchange(ChallengeRegistry* registry) : registry_(registry) {}
  ChapExchange(const ChapExchange&) = delete;
  ChapExchange& operator=(const ChapExchange&) = delete;
  ~ChapExchange() { entry_.node.unlink(); }

  State state() const { return state_; }
  bool succeeded() const { return state_ == State::kSucceeded; }
  // A step of the initiator is due.
  bool in_progress() const {
    return state_ == State::kAwaitAlgorithm || state_ == State::kAwaitResponse;
  }

  // CHAP was agreed on; the initiator's first step is due.
  void start() { state_ = State::kAwaitAlgorithm; }

  // Checks that `offered` holds exactly the keys of the step that is due. Errors: authentication
  // failure, also when CHAP was not chosen or is over.
  LoginVerdict check_step(const OfferedKeys& offered);

  // Step 1: chooses the first algorithm of the list that both we and the host have, and writes
  // CHAP_A, CHAP_I and CHAP_C with a fresh challenge. Errors: authentication failure, out of
  // resources.
  LoginVerdict challenge(Text algorithms, uint32_t challenge_length, TextWriter& answer);

  // Step 2: checks CHAP_N and CHAP_R (in `offered`) against `credentials`, and writes CHAP_N and
  // CHAP_R of ours when the initiator asks for them. Errors: authentication failure, target error.
  LoginVerdict verify(const OfferedKeys& offered, const ChapCredentials& credentials,
                      TextWriter& answer);

  // What was sent, for tests and for the registry.
  int algorithm() const { return algorithm_; }
  uint8_t identifier() const { return identifier_; }
  Bytes challenge_bytes() const { return challenge_.bytes(); }

 private:
  LoginVerdict check_response(Text response, const ChapCredentials& credentials);
  LoginVerdict check_not_reflected(Bytes response, const ChapCredentials& credentials);
  LoginVerdict prove_ourselves(const OfferedKeys& offered, const ChapCredentials& credentials,
                               TextWriter& answer);
  LoginVerdict fail(const char* reason, const char* key = nullptr);
  LoginVerdict fail_step(const char* reason, const char* key = nullptr);
  LoginVerdict miss(const char* key);
  bool digest_of(uint8_t identifier, Bytes secret, Bytes challenge, uint8_t* digest) const;

  State state_ = State::kUnused;
  int algorithm_ = 0;
  size_t digest_size_ = 0;
  uint8_t identifier_ = 0;
  Buffer challenge_;
  ChallengeRegistry* registry_;
  ChallengeRegistry::Entry entry_;
};

}  // namespace chiscsi
