// SPDX-License-Identifier: GPL-2.0-only
//
// AuthSettings: which authentication a target, or discovery, asks for, and its CHAP accounts.
//
// The texts are slices of memory that the owner of the settings keeps and wipes (see ConfigText);
// nothing here copies a secret. Filled by the configuration parser, constant afterwards.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/text.hh"
#include "target/config/growable_array.hh"
#include "target/config/key_table.hh"
#include "target/config/message_line.hh"
#include "target/config/text_builder.hh"

namespace chiscsi {

enum class ChapPolicy : uint8_t { kOneway = 0, kMutual = 1 };

inline constexpr uint32_t kMinSecretLength = 6;
inline constexpr uint32_t kMaxSecretLength = 255;
// Of a target: each is compared with all others.
inline constexpr uint32_t kMaxChapAccounts = 4096;
// RFC 7143 section 9.2.1 asks for 96 bits where IPsec is not in use.
inline constexpr uint32_t kGoodSecretLength = 12;
inline constexpr uint32_t kMinChallengeLength = 16;
inline constexpr uint32_t kMaxChallengeLength = 1024;

struct ChapAccount {
  Text name;
  Text secret;
};

struct AuthSettings {
  AuthChoice methods{AuthMethod::kNone};
  ChapPolicy policy = ChapPolicy::kOneway;
  uint32_t challenge_length = kMinChallengeLength;
  GrowableArray<ChapAccount> initiators;  // Who may log in.
  ChapAccount target;                     // Who we are for mutual CHAP; no name: none is set.

  bool has_target_account() const { return !target.name.empty(); }
  // True when some secret is shorter than 12 bytes: legal, but worth a line in the log.
  bool has_short_secret() const;
  // Checks what spans several keys: Mutual needs our account, CHAP alone needs somebody who may log
  // in, no secret serves both directions. `has_chap_hook`: the class looks accounts up itself.
  // `prefix` stands before the names of the keys. Errors: kInvalid with a line in `error`.
  Status check(bool has_chap_hook, ConfigError* error, Text prefix = Text()) const;
  // Adds a list of accounts to the initiators; no name may come twice. Errors: kInvalid with a line
  // about `key`, kNoMemory.
  Status add_initiators(Text key, Text value, ConfigError* error);
};

// Parses `"id":"secret"`. Errors: kInvalid with a line about `key` that does not show the secret.
Status parse_chap_account(Text key, Text value, ChapAccount* account, ConfigError* error);

// Adds `"id":"secret"`, or `"id":"***"`.
void print_chap_account(const ChapAccount& account, bool with_secret, TextBuilder* out);

}  // namespace chiscsi
