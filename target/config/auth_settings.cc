// SPDX-License-Identifier: GPL-2.0-only
//
// See auth_settings.hh.
#include "target/config/auth_settings.hh"

#include "base/span.hh"

namespace chiscsi {

namespace auth_settings_detail {

constexpr uint32_t kMaxChapNameLength = 255;

// Takes a quoted word off the front of `rest`. False when it does not start with a quote or never
// ends.
bool take_quoted(Text* rest, Text* word) {
  if (!rest->starts_with("\"")) return false;
  const Text inner = rest->skip(1);
  const size_t end = inner.find('"');
  if (end == Text::kNotFound) return false;
  *word = inner.first(end);
  *rest = inner.skip(end + 1);
  return true;
}

bool is_secret_shared(const AuthSettings& auth) {
  for (const ChapAccount& account : auth.initiators) {
    if (account.secret == auth.target.secret) return true;
  }
  return false;
}

}  // namespace auth_settings_detail

bool AuthSettings::has_short_secret() const {
  for (const ChapAccount& account : initiators) {
    if (account.secret.size() < kGoodSecretLength) return true;
  }
  return has_target_account() && target.secret.size() < kGoodSecretLength;
}

Status AuthSettings::check(bool has_chap_hook, ConfigError* error) const {
  const bool chap_only =
      methods.contains(AuthMethod::kChap) && !methods.contains(AuthMethod::kNone);
  if (chap_only && initiators.empty() && !has_chap_hook) {
    error->at("AuthMethod").add("CHAP alone needs at least one Auth_CHAP_Initiator");
    return Error::kInvalid;
  }
  if (policy == ChapPolicy::kMutual && !has_target_account() && !has_chap_hook) {
    error->at("Auth_CHAP_Policy").add("Mutual needs an Auth_CHAP_Target");
    return Error::kInvalid;
  }
  if (has_target_account() && auth_settings_detail::is_secret_shared(*this)) {
    error->at("Auth_CHAP_Target").add("its secret is also that of an Auth_CHAP_Initiator");
    return Error::kInvalid;
  }
  return {};
}

Status parse_chap_account(Text key, Text value, ChapAccount* account, ConfigError* error) {
  namespace detail = auth_settings_detail;
  Text rest = value;
  ChapAccount parsed;
  const bool has_form = detail::take_quoted(&rest, &parsed.name) && rest.starts_with(":");
  rest = rest.skip(1);
  if (!has_form || !detail::take_quoted(&rest, &parsed.secret) || !rest.empty()) {
    error->at(key).add("wants \"id\":\"secret\" with the quotes, without commas in either");
    return Error::kInvalid;
  }
  if (parsed.name.empty() || parsed.name.size() > detail::kMaxChapNameLength) {
    error->at(key).add("the id has to have 1 to 255 bytes");
    return Error::kInvalid;
  }
  if (parsed.secret.size() < kMinSecretLength || parsed.secret.size() > kMaxSecretLength) {
    error->at(key).add("the secret of ").add_quoted(parsed.name).add(" has to have 6 to 255 bytes");
    return Error::kInvalid;
  }
  *account = parsed;
  return {};
}

}  // namespace chiscsi
