// SPDX-License-Identifier: GPL-2.0-only
//
// See auth_settings.hh.
#include "target/config/auth_settings.hh"

#include "base/span.hh"
#include "target/config/word_list.hh"

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

bool has_control_characters(Text text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) return true;
  }
  return false;
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

Status AuthSettings::check(bool has_chap_hook, ConfigError* error, Text prefix) const {
  const auto refuse = [&](Text key, Text what, Text other = Text()) {
    error->clear();
    error->add(prefix).add(key).add(": ").add(what);
    if (!other.empty()) error->add(prefix).add(other);
    return Status(Error::kInvalid);
  };
  const bool chap_only =
      methods.contains(AuthMethod::kChap) && !methods.contains(AuthMethod::kNone);
  if (chap_only && initiators.empty() && !has_chap_hook) {
    return refuse("AuthMethod", "CHAP alone needs at least one ", "Auth_CHAP_Initiator");
  }
  if (policy == ChapPolicy::kMutual && !has_target_account() && !has_chap_hook) {
    return refuse("Auth_CHAP_Policy", prefix.empty() ? "Mutual needs an " : "Mutual needs ",
                  "Auth_CHAP_Target");
  }
  if (has_target_account() && auth_settings_detail::is_secret_shared(*this)) {
    return refuse(
        "Auth_CHAP_Target",
        prefix.empty() ? "its secret is also that of an " : "its secret is also that of a ",
        "Auth_CHAP_Initiator");
  }
  return {};
}

Status AuthSettings::add_initiators(Text key, Text value, ConfigError* error) {
  WordList words(value);
  for (Text word; words.next(&word);) {
    ChapAccount account;
    CHISCSI_TRY(parse_chap_account(key, word, &account, error));
    if (initiators.size() == kMaxChapAccounts) {
      error->at(key).add("more than ").add_number(kMaxChapAccounts).add(" accounts");
      return Error::kInvalid;
    }
    for (const ChapAccount& other : initiators) {
      if (other.name != account.name) continue;
      error->at(key).add("two accounts for ").add_quoted(account.name);
      return Error::kInvalid;
    }
    CHISCSI_TRY(initiators.append(account));
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
  // They would be lines of their own where an account is printed.
  if (detail::has_control_characters(parsed.name) ||
      detail::has_control_characters(parsed.secret)) {
    error->at(key).add("control characters are neither in an id nor in a secret");
    return Error::kInvalid;
  }
  if (parsed.secret.size() < kMinSecretLength || parsed.secret.size() > kMaxSecretLength) {
    // Without the id: the secret may stand in it by mistake.
    error->at(key).add("the secret has to have 6 to 255 bytes");
    return Error::kInvalid;
  }
  *account = parsed;
  return {};
}

void print_chap_account(const ChapAccount& account, bool with_secret, TextBuilder* out) {
  out->add('"').add(account.name).add("\":\"");
  out->add(with_secret ? account.secret : Text("***")).add('"');
}

}  // namespace chiscsi
