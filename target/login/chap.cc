// SPDX-License-Identifier: GPL-2.0-only
//
// See chap.hh. The response to a challenge is the hash over the identifier, the secret and the
// challenge, in this order (RFC 1994 section 4.1).
#include "target/login/chap.hh"

#include "os/log.h"
#include "os/memory.h"
#include "target/config/number.hh"
#include "target/config/word_list.hh"

namespace chiscsi {

namespace chap_detail {

constexpr size_t kMaxPeerChallenge = 1024;
constexpr size_t kMaxListLength = 255;
// Hashed in place of a secret when the name is unknown, so that the answer takes as long.
constexpr uint8_t kNoSecret[16] = {};

bool is_known_algorithm(uint64_t number) {
  return number == OS_HASH_MD5 || number == OS_HASH_SHA1 || number == OS_HASH_SHA256 ||
         number == OS_HASH_SHA3_256;
}

// The first algorithm of the list that both ends have, or 0.
int choose_algorithm(Text list) {
  if (list.size() > kMaxListLength) return 0;
  WordList words(list);
  for (Text word; words.next(&word);) {
    uint64_t number = 0;
    if (!parse_number(word, NumberSyntax::kDecimal, &number) || !is_known_algorithm(number)) {
      continue;
    }
    if (os_hash_size(static_cast<int>(number)) != 0) return static_cast<int>(number);
  }
  return 0;
}

bool equal_secrets(Bytes a, Bytes b) {
  return a.size() == b.size() && os_equal_secret(a.data(), b.data(), a.size()) != 0;
}

constexpr TextKey kChapKeys[] = {TextKey::kChapA, TextKey::kChapI, TextKey::kChapC, TextKey::kChapN,
                                 TextKey::kChapR};

bool has_any(const OfferedKeys& offered, Span<const TextKey> keys) {
  for (const TextKey key : keys) {
    if (offered.has(key)) return true;
  }
  return false;
}

}  // namespace chap_detail

bool ChallengeRegistry::contains(Bytes challenge) {
  return entries_.find([&](Entry& entry) { return equal_bytes(entry.challenge, challenge); }) !=
         nullptr;
}

LoginVerdict ChapExchange::fail(const char* reason, const char* key) {
  state_ = State::kFailed;
  return LoginVerdict::not_authenticated(reason, key);
}

LoginVerdict ChapExchange::miss(const char* key) {
  state_ = State::kFailed;
  return LoginVerdict::missing(key);
}

LoginVerdict ChapExchange::fail_step(const char* reason, const char* key) {
  state_ = State::kFailed;
  return LoginVerdict::initiator_error(reason, key);
}

// Keys out of step are not a wrong secret (RFC 7143 section 9.2).
LoginVerdict ChapExchange::check_step(const OfferedKeys& offered) {
  const bool algorithm = offered.has(TextKey::kChapA);
  const bool name = offered.has(TextKey::kChapN);
  const bool response = offered.has(TextKey::kChapR);
  const bool back = offered.has(TextKey::kChapI) || offered.has(TextKey::kChapC);
  switch (state_) {
    case State::kAwaitAlgorithm:
      if (!algorithm) return miss("CHAP_A");
      return name || response || back ? fail_step("CHAP_A alone is due") : LoginVerdict::ok();
    case State::kAwaitResponse:
      if (!name) return miss("CHAP_N");
      if (!response) return miss("CHAP_R");
      return algorithm ? fail_step("CHAP_A is not due") : LoginVerdict::ok();
    default:
      if (!chap_detail::has_any(offered, chap_detail::kChapKeys)) return LoginVerdict::ok();
      return fail_step("CHAP keys outside a CHAP exchange");
  }
}

LoginVerdict ChapExchange::challenge(Text algorithms, uint32_t challenge_length,
                                     TextWriter& answer) {
  algorithm_ = chap_detail::choose_algorithm(algorithms);
  if (algorithm_ == 0) return fail("no algorithm in common", "CHAP_A");
  digest_size_ = os_hash_size(algorithm_);
  challenge_ = Buffer::allocate(challenge_length);
  if (!challenge_) return LoginVerdict::out_of_resources("no memory for a challenge");
  os_random(challenge_.data(), challenge_.size());
  os_random(&identifier_, sizeof(identifier_));
  if (registry_ != nullptr) {
    entry_.node.unlink();
    entry_.challenge = challenge_.bytes();
    registry_->add(entry_);
  }
  answer.number("CHAP_A", static_cast<uint64_t>(algorithm_));
  answer.number("CHAP_I", identifier_);
  answer.hex("CHAP_C", challenge_.bytes());
  state_ = State::kAwaitResponse;
  return LoginVerdict::ok();
}

bool ChapExchange::digest_of(uint8_t identifier, Bytes secret, Bytes challenge,
                             uint8_t* digest) const {
  const os_hash_part parts[] = {
      {&identifier, 1}, {secret.data(), secret.size()}, {challenge.data(), challenge.size()}};
  return os_hash(algorithm_, parts, 3, digest) == 0;
}

LoginVerdict ChapExchange::verify(const OfferedKeys& offered, const ChapCredentials& credentials,
                                  TextWriter& answer) {
  const LoginVerdict verdict = check_response(offered.value(TextKey::kChapR), credentials);
  if (!verdict.is_ok()) return verdict;
  const bool wants_proof = offered.has(TextKey::kChapI) || offered.has(TextKey::kChapC);
  if (wants_proof) {
    const LoginVerdict proof = prove_ourselves(offered, credentials, answer);
    if (!proof.is_ok()) return proof;
  } else if (credentials.mutual_required) {
    return fail("mutual CHAP is required");
  }
  // It is answered. The login may end on the session's worker, which must not touch the registry.
  entry_.node.unlink();
  state_ = State::kSucceeded;
  return LoginVerdict::ok();
}

// Does the same work for an unknown name, a malformed response and a wrong secret.
LoginVerdict ChapExchange::check_response(Text response, const ChapCredentials& credentials) {
  uint8_t received[OS_HASH_MAX_SIZE] = {};
  uint8_t expected[OS_HASH_MAX_SIZE] = {};
  const Bytes secret =
      credentials.known ? credentials.remote_secret : Bytes(chap_detail::kNoSecret);
  const bool well_formed = decode_binary_exactly(response, {received, digest_size_});
  if (!digest_of(identifier_, secret, challenge_.bytes(), expected)) {
    state_ = State::kFailed;
    return {iscsi::LoginStatus::kTargetError, "the hash failed", "CHAP_R"};
  }
  const bool equal = os_equal_secret(received, expected, digest_size_) != 0;
  os_wipe(expected, sizeof(expected));
  // One reason for all three, in the log as on the wire.
  if (!(equal & well_formed & credentials.known)) return fail("unknown name or wrong secret");
  return check_not_reflected({received, digest_size_}, credentials);
}

// RFC 7143 section 9.2.1: a response that we would have given ourselves proves nothing.
LoginVerdict ChapExchange::check_not_reflected(Bytes response, const ChapCredentials& credentials) {
  if (credentials.local_secret.empty()) return LoginVerdict::ok();
  uint8_t ours[OS_HASH_MAX_SIZE] = {};
  const bool hashed = digest_of(identifier_, credentials.local_secret, challenge_.bytes(), ours);
  const bool same = chap_detail::equal_secrets(response, {ours, digest_size_}) ||
                    chap_detail::equal_secrets(credentials.local_secret, credentials.remote_secret);
  os_wipe(ours, sizeof(ours));
  if (!hashed || same) return fail("one secret for both directions");
  return LoginVerdict::ok();
}

LoginVerdict ChapExchange::prove_ourselves(const OfferedKeys& offered,
                                           const ChapCredentials& credentials, TextWriter& answer) {
  if (!offered.has(TextKey::kChapI)) return miss("CHAP_I");
  if (!offered.has(TextKey::kChapC)) return miss("CHAP_C");
  uint32_t identifier = 0;
  if (!parse_number_in_range(offered.value(TextKey::kChapI), NumberSyntax::kDecimalOrHex, 0, 255,
                             &identifier)) {
    return fail_step("wants a number from 0 to 255", "CHAP_I");
  }
  if (credentials.local_name.empty() || credentials.local_secret.empty()) {
    return fail("no account of ours for mutual CHAP");
  }
  Buffer room = Buffer::allocate(chap_detail::kMaxPeerChallenge);
  if (!room) return LoginVerdict::out_of_resources("no memory for a challenge");
  size_t size = 0;
  if (!decode_binary(offered.value(TextKey::kChapC), room.bytes(), &size)) {
    return fail_step("wants 1 to 1024 bytes", "CHAP_C");
  }
  const Bytes challenge = room.bytes().first(size);
  if (equal_bytes(challenge, challenge_.bytes()) ||
      (registry_ != nullptr && registry_->contains(challenge))) {
    return fail("our challenge came back", "CHAP_C");
  }
  uint8_t digest[OS_HASH_MAX_SIZE] = {};
  if (!digest_of(static_cast<uint8_t>(identifier), credentials.local_secret, challenge, digest)) {
    state_ = State::kFailed;
    return {iscsi::LoginStatus::kTargetError, "the hash failed", "CHAP_R"};
  }
  answer.pair("CHAP_N", credentials.local_name);
  answer.hex("CHAP_R", {digest, digest_size_});
  return LoginVerdict::ok();
}

}  // namespace chiscsi
